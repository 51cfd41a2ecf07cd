/** Commands of the view, for keys and buttons: they act on the middle of the stage. */
import { pictureSize, stageSize, view } from "../state/store";
import { fit, kept, reveal, smallest, zoomAt } from "./view";
import type { Point } from "../api/types";

export function fitPicture(): void {
  const size = pictureSize.value;
  if (size) view.value = fit(size, stageSize.value);
}

export function zoomBy(factor: number, at?: Point): void {
  const size = pictureSize.value;
  if (!size) return;
  const { width, height } = stageSize.value;
  const next = zoomAt(view.value, factor, at?.[0] ?? width / 2, at?.[1] ?? height / 2, smallest(size, stageSize.value));
  view.value = kept(next, size, stageSize.value);
}

/** One pixel of the picture on one of the screen. */
export function actualSize(): void {
  zoomBy(1 / view.value.scale);
}

export function centre(x: number, y: number): void {
  const size = pictureSize.value;
  if (!size) return;
  const { width, height } = stageSize.value;
  const { scale } = view.value;
  view.value = kept({ scale, x: width / 2 - x * scale, y: height / 2 - y * scale }, size, stageSize.value);
}

export function show(x: number, y: number): void {
  view.value = reveal(view.value, stageSize.value, x, y);
}
