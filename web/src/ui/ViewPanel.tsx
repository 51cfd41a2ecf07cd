/** How masks are shown, and which model makes them where there are several. */
import * as store from "../state/store";
import { ModelChoice } from "./ModelChoice";

export function ViewPanel() {
  return (
    <section class="panel view-panel" aria-labelledby="view-title">
      <h2 id="view-title">Masks</h2>
      <label class="slider">
        <span class="dim">opacity</span>
        <input type="range" min="0" max="1" step="0.05" value={store.opacity.value} onInput={(event) => (store.opacity.value = Number(event.currentTarget.value))} />
        <span class="figure dim">{Math.round(store.opacity.value * 100)} %</span>
      </label>
      <div class="row">
        <label class="check" title="Outlines only (hold O)">
          <input type="checkbox" checked={store.outlineOnly.value} onChange={(event) => (store.outlineOnly.value = event.currentTarget.checked)} />
          outlines
        </label>
        <label class="check" title="Hide all masks (hold X)">
          <input type="checkbox" checked={store.hideAll.value} onChange={(event) => (store.hideAll.value = event.currentTarget.checked)} />
          hide all
        </label>
      </div>
      <label class="choice">
        <span class="dim">preview</span>
        <select class="field" aria-label="Previews under the mouse" title="Show what a click would select: while decoding is fast, always, or never" value={store.previews.value} onChange={(event) => (store.previews.value = event.currentTarget.value as "auto" | "always" | "never")}>
          <option value="auto">while it is fast</option>
          <option value="always">always</option>
          <option value="never">never</option>
        </select>
      </label>
      {store.models.value.length > 1 && (
        <label class="choice">
          <span class="dim">model</span>
          <ModelChoice />
        </label>
      )}
      <label class="choice">
        <span class="dim">colours</span>
        <select class="field" aria-label="Colours by" title="Colours by object or by class" value={store.colouring.value} onChange={(event) => (store.colouring.value = event.currentTarget.value as "object" | "class")}>
          <option value="object">by object</option>
          <option value="class">by class</option>
        </select>
      </label>
    </section>
  );
}
