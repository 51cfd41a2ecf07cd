/** A mask at the picture's own size that can be painted on. Pixels lie column by column, as in COCO's RLE. */
import type { Rle } from "../api/types";
import { decodeCounts, encodeCounts } from "./rle";

export class Bitmap {
  readonly data: Uint8Array;
  /** Columns that may hold pixels: [first, last + 1]. */
  private from: number;
  private to = 0;

  constructor(
    readonly height: number,
    readonly width: number,
  ) {
    this.data = new Uint8Array(height * width);
    this.from = width;
  }

  static fromRle(rle: Rle): Bitmap {
    const bitmap = new Bitmap(rle.size[0], rle.size[1]);
    let at = 0;
    decodeCounts(rle.counts).forEach((length, i) => {
      if (i % 2 && length) {
        bitmap.data.fill(1, at, at + length);
        bitmap.touch(Math.floor(at / bitmap.height), Math.floor((at + length - 1) / bitmap.height) + 1);
      }
      at += length;
    });
    return bitmap;
  }

  clone(): Bitmap {
    const copy = new Bitmap(this.height, this.width);
    copy.data.set(this.data);
    copy.touch(this.from, this.to);
    return copy;
  }

  private touch(from: number, to: number): void {
    this.from = Math.min(this.from, from);
    this.to = Math.max(this.to, to);
  }

  toRle(): Rle {
    const runs: number[] = [];
    const end = Math.max(this.from, this.to) * this.height;
    let start = 0;
    let value = 0;
    let at = Math.min(this.from, this.to) * this.height;
    while (at < end) {
      const next = this.data.indexOf(1 - value, at);
      at = next === -1 || next >= end ? end : next;
      if (at === end) break;
      runs.push(at - start);
      start = at;
      value = 1 - value;
    }
    const total = this.height * this.width;
    if (value && end < total) {
      runs.push(end - start, total - end);
    } else runs.push(total - start);
    return { size: [this.height, this.width], counts: encodeCounts(runs) };
  }

  area(): number {
    let sum = 0;
    for (let i = this.from * this.height, end = this.to * this.height; i < end; i++) sum += this.data[i]!;
    return sum;
  }

  /** [x0, y0, x1, y1] that holds every pixel, ends excluded; null for an empty mask. */
  bounds(): [number, number, number, number] | null {
    let x0 = this.width;
    let y0 = this.height;
    let x1 = 0;
    let y1 = 0;
    for (let x = this.from; x < this.to; x++) {
      const column = this.data.subarray(x * this.height, (x + 1) * this.height);
      const first = column.indexOf(1);
      if (first === -1) continue;
      x0 = Math.min(x0, x);
      x1 = x + 1;
      y0 = Math.min(y0, first);
      y1 = Math.max(y1, column.lastIndexOf(1) + 1);
    }
    return x1 ? [x0, y0, x1, y1] : null;
  }

  /** Sets all pixels whose centre is within `radius` of the segment between two places; a small radius still sets one pixel. */
  stroke(ax: number, ay: number, bx: number, by: number, radius: number, value: 0 | 1): void {
    const r = Math.max(radius, 0.5);
    const x0 = Math.max(0, Math.floor(Math.min(ax, bx) - r));
    const x1 = Math.min(this.width, Math.ceil(Math.max(ax, bx) + r) + 1);
    if (x0 >= x1) return;
    const dx = bx - ax;
    const dy = by - ay;
    const squared = dx * dx + dy * dy;
    for (let x = x0; x < x1; x++) {
      const base = x * this.height;
      const y0 = Math.max(0, Math.floor(Math.min(ay, by) - r));
      const y1 = Math.min(this.height, Math.ceil(Math.max(ay, by) + r) + 1);
      for (let y = y0; y < y1; y++) {
        const px = x + 0.5 - ax;
        const py = y + 0.5 - ay;
        const t = squared ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
        const ex = px - t * dx;
        const ey = py - t * dy;
        if (ex * ex + ey * ey <= r * r) this.data[base + y] = value;
      }
    }
    if (radius < 1) this.dot(Math.floor(bx), Math.floor(by), value);
    this.touch(x0, x1);
  }

  private dot(x: number, y: number, value: 0 | 1): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    this.data[x * this.height + y] = value;
    this.touch(x, x + 1);
  }

  /** Fills holes and drops pieces of at most these many pixels; says how many pixels changed. */
  clean(holes: number, specks: number): number {
    return this.flip(1, specks) + this.flip(0, holes);
  }

  /** Turns over every connected piece of `value` up to `limit` pixels. Pieces of holes that touch the picture's edge are no holes. */
  private flip(value: 0 | 1, limit: number): number {
    const bounds = limit > 0 ? this.bounds() : null;
    if (!bounds) return 0;
    const [x0, y0, x1, y1] = bounds;
    const seen = new Uint8Array((x1 - x0) * (y1 - y0));
    const rows = y1 - y0;
    let changed = 0;
    for (let x = x0; x < x1; x++) {
      for (let y = y0; y < y1; y++) {
        if (this.data[x * this.height + y] !== value || seen[(x - x0) * rows + y - y0]) continue;
        const piece = this.piece(x, y, bounds, seen, value);
        if (!piece || piece.length > limit) continue;
        for (const at of piece) this.data[at] = 1 - value;
        changed += piece.length;
      }
    }
    return changed;
  }

  /** The pixels of one piece: neighbours share an edge for holes, an edge or a corner for masks. Null for a background that leaves the bounds. */
  private piece(x: number, y: number, bounds: [number, number, number, number], seen: Uint8Array, value: 0 | 1): number[] | null {
    const [x0, y0, x1, y1] = bounds;
    const rows = y1 - y0;
    const stack = [x * this.height + y];
    seen[(x - x0) * rows + y - y0] = 1;
    let open = false;
    for (let i = 0; i < stack.length; i++) {
      const px = Math.floor(stack[i]! / this.height);
      const py = stack[i]! % this.height;
      for (let dx = -1; dx <= 1; dx++) {
        for (let dy = -1; dy <= 1; dy++) {
          if ((!dx && !dy) || (!value && dx && dy)) continue;
          const nx = px + dx;
          const ny = py + dy;
          if (nx < x0 || ny < y0 || nx >= x1 || ny >= y1) {
            open = true;
            continue;
          }
          const at = nx * this.height + ny;
          const local = (nx - x0) * rows + ny - y0;
          if (this.data[at] === value && !seen[local]) {
            seen[local] = 1;
            stack.push(at);
          }
        }
      }
    }
    return open && !value ? null : stack;
  }
}
