/** Masks as the stage shows them: sampled once a screen pixel, then filled and outlined. The cost is that of the stage, not of the masks. */
import type { Bitmap } from "../masks/bitmap";
import type { LabelMap } from "../masks/labels";
import type { LogitMask } from "../masks/logits";
import { drawn } from "../palette";
import type { View } from "./view";

/** How slots look; pixels are those of ImageData as little-endian numbers. Slot 0 is nothing. */
export interface Looks {
  fill: Uint32Array;
  line: Uint32Array;
  pattern: Uint8Array;
  /** 1 for slots that are drawn with a broad light outline. */
  strong: Uint8Array;
}

export const LIGHT = 0xffffffff;
export const DARK = 0xb8000000;

/** Slots of the screen's pixels, column by column, inside `region` [x0, y0, x1, y1]. */
export class Screen {
  slots = new Uint16Array(0);
  width = 0;
  height = 0;
  region: [number, number, number, number] = [0, 0, 0, 0];

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    if (this.slots.length < width * height) this.slots = new Uint16Array(width * height);
  }

  /** The screen's pixels that show picture region [x0, y0, x1, y1], two more on each side for outlines. */
  private limit(view: View, x0: number, y0: number, x1: number, y1: number): void {
    const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
    this.region = [
      clamp(Math.floor(x0 * view.scale + view.x) - 2, this.width),
      clamp(Math.floor(y0 * view.scale + view.y) - 2, this.height),
      clamp(Math.ceil(x1 * view.scale + view.x) + 2, this.width),
      clamp(Math.ceil(y1 * view.scale + view.y) + 2, this.height),
    ];
  }

  sampleLabels(map: LabelMap, view: View): void {
    this.limit(view, 0, 0, map.width, map.height);
    this.samplePixels(map.data, map.width, map.height, view);
  }

  sampleBitmap(bitmap: Bitmap, view: View): void {
    const bounds = bitmap.bounds();
    if (bounds) this.limit(view, ...bounds);
    else this.region = [0, 0, 0, 0];
    this.samplePixels(bitmap.data, bitmap.width, bitmap.height, view);
  }

  private samplePixels(data: Uint16Array | Uint8Array, width: number, height: number, view: View): void {
    const [x0, y0, x1, y1] = this.region;
    const { slots } = this;
    const rows = pictureRows(view, height, y0, y1);
    let previous = -2;
    for (let sx = x0; sx < x1; sx++) {
      const column = sx * this.height;
      const px = Math.floor((sx + 0.5 - view.x) / view.scale);
      if (px < 0 || px >= width) {
        slots.fill(0, column + y0, column + y1);
        previous = -2;
        continue;
      }
      if (px === previous) {
        slots.copyWithin(column + y0, column - this.height + y0, column - this.height + y1);
        continue;
      }
      previous = px;
      const base = px * height;
      for (let sy = y0; sy < y1; sy++) {
        const row = rows[sy - y0]!;
        slots[column + sy] = row < 0 ? 0 : data[base + row]!;
      }
    }
  }

  /** Slot 1 where the enlarged logits are above 0. From twice its size on the picture's pixels are seen, so whole pixels are on or off. */
  sampleLogits(mask: LogitMask, bounds: [number, number, number, number] | null, view: View): void {
    if (bounds) this.limit(view, ...bounds);
    else this.region = [0, 0, 0, 0];
    const [x0, y0, x1, y1] = this.region;
    const { slots } = this;
    const { values, rows, columns } = mask;
    const place = sampler(view.scale >= 2);
    const picked = new Int32Array(y1 - y0);
    const weights = new Float32Array(y1 - y0);
    for (let sy = y0; sy < y1; sy++) {
      const py = place(sy, view.y, view.scale);
      const gy = Math.min(rows - 1, Math.max(0, py * mask.scaleY - 0.5));
      picked[sy - y0] = py < 0 || py >= mask.height ? -1 : Math.min(rows - 2, Math.floor(gy));
      weights[sy - y0] = gy - Math.min(rows - 2, Math.floor(gy));
    }
    const line = new Float32Array(rows);
    for (let sx = x0; sx < x1; sx++) {
      const column = sx * this.height;
      const px = place(sx, view.x, view.scale);
      if (px < 0 || px >= mask.width) {
        slots.fill(0, column + y0, column + y1);
        continue;
      }
      const gx = Math.min(columns - 1, Math.max(0, px * mask.scaleX - 0.5));
      const c = Math.min(columns - 2, Math.floor(gx));
      const f = gx - c;
      for (let r = 0, at = c; r < rows; r++, at += columns) line[r] = values[at]! + f * (values[at + 1]! - values[at]!);
      for (let sy = y0; sy < y1; sy++) {
        const r = picked[sy - y0]!;
        slots[column + sy] = r >= 0 && line[r]! + weights[sy - y0]! * (line[r + 1]! - line[r]!) > 0 ? 1 : 0;
      }
    }
  }

  /** Writes the region into `target`, the pixels of a picture as wide and high as the screen. */
  shade(target: Uint32Array, looks: Looks): void {
    const [x0, y0, x1, y1] = this.region;
    const { slots, width, height } = this;
    const { fill, line, pattern, strong } = looks;
    for (let sx = x0; sx < x1; sx++) {
      const column = sx * height;
      const left = sx > x0 ? column - height : column;
      const right = sx + 1 < x1 ? column + height : column;
      for (let sy = y0, out = y0 * width + sx; sy < y1; sy++, out += width) {
        const slot = slots[column + sy]!;
        const above = sy > y0 ? slots[column + sy - 1]! : slot;
        const below = sy + 1 < y1 ? slots[column + sy + 1]! : slot;
        const edge = slot !== above || slot !== below || slot !== slots[left + sy] || slot !== slots[right + sy];
        if (!slot) {
          target[out] = edge ? DARK : 0;
        } else if (strong[slot]) {
          target[out] = edge || this.isNear(slot, sx, sy) ? LIGHT : fill[slot]!;
        } else if (edge) {
          target[out] = drawn(pattern[slot]!, sx, sy) ? line[slot]! : LIGHT;
        } else target[out] = fill[slot]!;
      }
    }
  }

  /** Whether another slot lies two pixels away. */
  private isNear(slot: number, sx: number, sy: number): boolean {
    const [x0, y0, x1, y1] = this.region;
    const at = sx * this.height + sy;
    const step = 2 * this.height;
    return (
      (sy - 2 >= y0 && this.slots[at - 2] !== slot) ||
      (sy + 2 < y1 && this.slots[at + 2] !== slot) ||
      (sx - 2 >= x0 && this.slots[at - step] !== slot) ||
      (sx + 2 < x1 && this.slots[at + step] !== slot)
    );
  }
}

/** The picture's row under each of the screen's rows; -1 outside. */
function pictureRows(view: View, height: number, y0: number, y1: number): Int32Array {
  const rows = new Int32Array(y1 - y0);
  for (let sy = y0; sy < y1; sy++) {
    const row = Math.floor((sy + 0.5 - view.y) / view.scale);
    rows[sy - y0] = row >= 0 && row < height ? row : -1;
  }
  return rows;
}

function sampler(whole: boolean): (at: number, offset: number, scale: number) => number {
  if (whole) return (at, offset, scale) => Math.floor((at + 0.5 - offset) / scale) + 0.5;
  return (at, offset, scale) => (at + 0.5 - offset) / scale;
}
