/** All pictures of the folder: find one, see what is done. */
import { useEffect, useRef, useState } from "preact/hooks";
import { topLevel } from "../stage/tiles";
import { loadTile, open, refreshPictures } from "../state/pictures";
import { beat } from "../state/presence";
import { failed } from "../state/status";
import * as store from "../state/store";
import type { Picture } from "../api/types";
import { Dialog } from "./Dialog";

const MORE = 200;

export function Pictures() {
  const [text, setText] = useState("");
  const [status, setStatus] = useState("");
  const [most, setMost] = useState(MORE);
  useEffect(() => {
    // Others may have labelled meanwhile.
    void refreshPictures().catch(failed);
    void beat();
  }, []);
  const rows = store.pictures.value.filter((row) => row.name.toLowerCase().includes(text.toLowerCase()) && (!status || row.status === status));
  const done = store.pictures.value.filter((row) => row.status === "done").length;
  return (
    <Dialog title={`Pictures: ${done} of ${store.pictures.value.length} done`} wide>
      <div class="row">
        <input class="field" type="search" placeholder="name" aria-label="Name of the picture" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <select class="field" aria-label="Status" value={status} onChange={(event) => setStatus(event.currentTarget.value)}>
          <option value="">all</option>
          <option value="todo">to do</option>
          <option value="doing">doing</option>
          <option value="done">done</option>
          <option value="skip">skip</option>
        </select>
      </div>
      {!rows.length && <p class="dim">{store.pictures.value.length ? "No picture has this name and status." : "No pictures yet. Drop some on the page, or import them."}</p>}
      <ul class="thumbnails">
        {rows.slice(0, most).map((row) => (
          <li key={row.id}>
            <Thumbnail row={row} />
          </li>
        ))}
      </ul>
      {rows.length > most && (
        <div class="row more">
          <span class="dim">
            The first {most} of {rows.length}.
          </span>
          <button type="button" class="button wide" onClick={() => setMost(most + MORE)}>
            Show more
          </button>
        </div>
      )}
    </Dialog>
  );
}

function Thumbnail({ row }: { row: Picture }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => watch(canvas.current!, row), [row.id]);
  return (
    <button
      type="button"
      class="thumbnail"
      aria-current={row.id === store.pictureId.value ? "true" : undefined}
      onClick={() => {
        store.dialog.value = null;
        void open(row.id);
      }}
    >
      <canvas ref={canvas} width={1} height={1} aria-hidden="true" />
      <span class="ellipsis">{row.name}</span>
      {row.error && (
        <span class="broken" title={row.error}>
          cannot be opened
        </span>
      )}
      {store.elsewhere.value.has(row.id) && <span class="shared">open in another window</span>}
      <span class="dim">
        {{ todo: "to do", doing: "doing", done: "done", skip: "skip" }[row.status]} · {row.n_objects} {row.n_objects === 1 ? "object" : "objects"}
      </span>
    </button>
  );
}

/** Loads the picture's smallest tile when the canvas comes into sight. */
function watch(canvas: HTMLCanvasElement, row: Picture): () => void {
  const controller = new AbortController();
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    void draw(canvas, row, controller.signal);
  });
  if (row.width && row.height) observer.observe(canvas);
  return () => {
    observer.disconnect();
    controller.abort();
  };
}

async function draw(canvas: HTMLCanvasElement, row: Picture, signal: AbortSignal): Promise<void> {
  const size = { width: row.width!, height: row.height! };
  try {
    const tile = await loadTile(row.id, topLevel(size, store.info.value?.tile ?? 512), 0, 0, signal);
    canvas.width = tile.width;
    canvas.height = tile.height;
    canvas.getContext("2d")!.drawImage(tile, 0, 0);
    tile.close();
  } catch {
    // No thumbnail: the name and the status say enough.
  }
}
