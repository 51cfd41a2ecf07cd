/** The line at the bottom: what is going on, what it cost, where the mouse is. */
import { shownStatus } from "../state/status";
import * as store from "../state/store";

export function StatusBar() {
  const { kind, text } = shownStatus.value;
  const at = store.pointer.value ?? store.cursor.value;
  return (
    <footer class="status" data-kind={kind}>
      <span class="status-dot" aria-hidden="true" />
      <span class="status-text" title={text}>
        {text}
      </span>
      {store.hoverPaused.value && (
        <span class="dim optional" title="Previews come back when decoding takes less than 150 ms, or with “preview always”">
          preview paused: decoding is slow
        </span>
      )}
      {store.isShared.value && (
        <span class="shared" title="Somebody else, or another tab, has this picture open. What they change appears here.">
          open in another window
        </span>
      )}
      <Times />
      {at && (
        <span class="figure dim optional">
          {Math.floor(at[0])}, {Math.floor(at[1])}
        </span>
      )}
      <span class="figure dim">{Math.round(store.view.value.scale * 100)} %</span>
      <span class="dim optional" title="The model">
        {store.info.value?.model.name}
      </span>
    </footer>
  );
}

function Times() {
  const { encode, cached, decode, way, paint } = store.times.value;
  return (
    <span class="times optional" title="Encoding is done once a picture; decoding once a prompt; the rest is the way to the screen">
      {encode !== null && <Figure name="encode" value={cached ? "cached" : milliseconds(encode)} />}
      {decode !== null && <Figure name="decode" value={milliseconds(decode)} />}
      {way !== null && paint !== null && <Figure name="to screen" value={milliseconds(way + paint)} />}
    </span>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <span>
      <span class="dim">{name} </span>
      <span class="figure">{value}</span>
    </span>
  );
}

function milliseconds(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`;
}
