/** Where the picture lies on the stage: screen = picture × scale + offset, in CSS pixels. Values, never changed in place. */

export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export const LARGEST = 64;
const MARGIN = 16;

/** The view that shows the whole picture, in the middle. */
export function fit(picture: Size, stage: Size): View {
  const room = (side: number) => Math.max(side - 2 * MARGIN, side / 2, 1);
  const scale = Math.min(room(stage.width) / picture.width, room(stage.height) / picture.height, LARGEST);
  return { scale, x: (stage.width - picture.width * scale) / 2, y: (stage.height - picture.height * scale) / 2 };
}

export function smallest(picture: Size, stage: Size): number {
  return Math.min(1, fit(picture, stage).scale / 4);
}

/** Enlarges by `factor` and keeps the picture's place under (sx, sy) where it is. */
export function zoomAt(view: View, factor: number, sx: number, sy: number, least = 0.01): View {
  const scale = Math.min(LARGEST, Math.max(least, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: sx - (sx - view.x) * ratio, y: sy - (sy - view.y) * ratio };
}

export function pan(view: View, dx: number, dy: number): View {
  return { scale: view.scale, x: view.x + dx, y: view.y + dy };
}

/** The view nearest to this one that keeps a part of the picture on the stage. */
export function kept(view: View, picture: Size, stage: Size): View {
  const within = (offset: number, length: number, room: number) => {
    const least = Math.min(80, length / 2, room / 2);
    return Math.min(room - least, Math.max(least - length, offset));
  };
  return {
    scale: view.scale,
    x: within(view.x, picture.width * view.scale, stage.width),
    y: within(view.y, picture.height * view.scale, stage.height),
  };
}

/** The view after the stage went from `before` to `after`: the whole picture where all of it was in sight, else the same middle. */
export function resized(view: View, picture: Size, before: Size | null, after: Size): View {
  const whole = before && fit(picture, before);
  if (!before?.width || !whole || (view.scale === whole.scale && view.x === whole.x && view.y === whole.y)) return fit(picture, after);
  return kept(pan(view, (after.width - before.width) / 2, (after.height - before.height) / 2), picture, after);
}

export function toPicture(view: View, sx: number, sy: number): [number, number] {
  return [(sx - view.x) / view.scale, (sy - view.y) / view.scale];
}

export function toScreen(view: View, x: number, y: number): [number, number] {
  return [x * view.scale + view.x, y * view.scale + view.y];
}

/** A place inside the picture, half a hundredth of a pixel from its far edges at most. */
export function inside(picture: Size, x: number, y: number): [number, number] {
  return [Math.min(picture.width - 0.01, Math.max(0, x)), Math.min(picture.height - 0.01, Math.max(0, y))];
}

/** The view that brings a picture place into sight with room around it; the same view where it is in sight already. */
export function reveal(view: View, stage: Size, x: number, y: number): View {
  const room = 40;
  const [sx, sy] = toScreen(view, x, y);
  const shift = (at: number, side: number) => (at < room ? room - at : at > side - room ? side - room - at : 0);
  const dx = shift(sx, stage.width);
  const dy = shift(sy, stage.height);
  return dx || dy ? pan(view, dx, dy) : view;
}
