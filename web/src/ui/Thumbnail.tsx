/** A picture of the list, small, with its masks. */
import { useEffect, useRef } from "preact/hooks";
import { askJson } from "../api/client";
import type { Picture, PictureState } from "../api/types";
import { paintSmall } from "../masks/small";
import { pixel } from "../palette";
import { topLevel } from "../stage/tiles";
import { loadTile, open } from "../state/pictures";
import * as store from "../state/store";

const ALPHA = 150;

export function Thumbnail({ row }: { row: Picture }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => watch(canvas.current!, row), [row.id, row.n_objects]);
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

/** Loads the picture's smallest tile, and then its masks, when the canvas comes into sight. */
function watch(canvas: HTMLCanvasElement, row: Picture): () => void {
  const controller = new AbortController();
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    void draw(canvas, row, controller.signal);
  });
  if (row.width && row.height && !row.error) observer.observe(canvas);
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
    if (row.n_objects) await drawMasks(canvas, row.id, signal);
  } catch {
    // No thumbnail: the name and the status say enough.
  }
}

async function drawMasks(canvas: HTMLCanvasElement, id: number, signal: AbortSignal): Promise<void> {
  const { objects } = await askJson<PictureState>(`/images/${id}/state`, { signal });
  const layer = new OffscreenCanvas(canvas.width, canvas.height);
  const pen = layer.getContext("2d")!;
  const image = pen.createImageData(layer.width, layer.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (const object of objects) {
    if (!object.hidden) paintSmall(pixels, layer.width, layer.height, object.mask, pixel(store.colourOfObject(object), ALPHA));
  }
  pen.putImageData(image, 0, 0);
  canvas.getContext("2d")!.drawImage(layer, 0, 0);
}
