/** The whole picture, small, with the part that the stage shows. Only there when the stage shows a part. */
import { useEffect, useRef } from "preact/hooks";
import { effect } from "@preact/signals";
import { pictureSize, stageSize, view } from "../state/store";
import { centre } from "./looking";
import { fit, toPicture } from "./view";

const SIDE = 132;

/** `whole` gives the whole picture as the stage has it, once it is loaded. */
export function Minimap({ whole }: { whole: () => CanvasImageSource | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => effect(() => draw(canvas.current!, whole)), []);
  const jump = (event: PointerEvent) => {
    event.stopPropagation();
    if (event.type === "pointermove" && !event.buttons) return;
    const size = pictureSize.value;
    if (!size) return;
    const box = canvas.current!.getBoundingClientRect();
    const scale = SIDE / Math.max(size.width, size.height);
    centre((event.clientX - box.left) / scale, (event.clientY - box.top) / scale);
  };
  return <canvas ref={canvas} class="minimap" aria-hidden="true" onPointerDown={jump} onPointerMove={jump} />;
}

function draw(canvas: HTMLCanvasElement, whole: () => CanvasImageSource | null): void {
  const size = pictureSize.value;
  const stage = stageSize.value;
  const seen = view.value;
  const part = size && stage.width && seen.scale > fit(size, stage).scale * 1.25;
  canvas.hidden = !part;
  if (!part) return;
  const scale = SIDE / Math.max(size.width, size.height);
  canvas.width = Math.max(1, Math.round(size.width * scale));
  canvas.height = Math.max(1, Math.round(size.height * scale));
  const context = canvas.getContext("2d")!;
  const image = whole();
  if (image) context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const [x0, y0] = toPicture(seen, 0, 0);
  const [x1, y1] = toPicture(seen, stage.width, stage.height);
  for (const [colour, width] of [
    ["#000", 3],
    ["#fff", 1.5],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x0 * scale, y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale);
  }
}
