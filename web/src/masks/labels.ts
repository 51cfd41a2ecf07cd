/** One map for all committed masks: each pixel holds the slot of the object on top. Its cost does not grow with the number of objects. */
import type { LabelObject } from "../api/types";
import { onRuns } from "./rle";

interface Entry {
  slot: number;
  runs: Int32Array;
  counts: string;
  /** [x0, y0, x1, y1], ends excluded. */
  bounds: [number, number, number, number];
  order: number;
}

type Shown = Pick<LabelObject, "id" | "mask" | "bbox">;

export class LabelMap {
  /** Slots, column by column; 0 is no object. */
  readonly data: Uint16Array;
  private readonly entries = new Map<string, Entry>();
  private readonly ids: (string | undefined)[] = [undefined];
  private readonly free: number[] = [];

  constructor(
    readonly height: number,
    readonly width: number,
  ) {
    this.data = new Uint16Array(height * width);
  }

  get size(): number {
    return this.entries.size;
  }

  /** One more than the highest slot ever given. */
  get slots(): number {
    return this.ids.length;
  }

  slotOf(id: string): number {
    return this.entries.get(id)?.slot ?? 0;
  }

  idAt(x: number, y: number): string | null {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return null;
    return this.ids[this.data[Math.floor(x) * this.height + Math.floor(y)]!] ?? null;
  }

  /** Makes the map show exactly these objects, the last on top. Only the region of what changed is painted anew. */
  show(objects: readonly Shown[]): void {
    const wanted = new Set(objects.map((object) => object.id));
    let region: Entry["bounds"] | null = null;
    for (const [id, entry] of this.entries) {
      if (wanted.has(id)) continue;
      region = union(region, entry.bounds);
      this.drop(id, entry);
    }
    let highest = -1;
    objects.forEach((object, order) => {
      const old = this.entries.get(object.id);
      if (old?.counts === object.mask.counts) {
        // Below one that it was above: their shared pixels change hands.
        if (old.order < highest) region = union(region, old.bounds);
        highest = Math.max(highest, old.order);
        old.order = order;
        return;
      }
      if (old) region = union(region, old.bounds);
      region = union(region, this.enter(object, order, old?.slot).bounds);
    });
    if (region) this.repaint(region);
  }

  private drop(id: string, entry: Entry): void {
    this.entries.delete(id);
    this.ids[entry.slot] = undefined;
    this.free.push(entry.slot);
  }

  private enter(object: Shown, order: number, slot?: number): Entry {
    const [x, y, w, h] = object.bbox;
    const bounds: Entry["bounds"] = [Math.floor(x), Math.floor(y), Math.ceil(x + w), Math.ceil(y + h)];
    const entry = {
      slot: slot ?? this.free.pop() ?? this.ids.length,
      runs: onRuns(object.mask.counts),
      counts: object.mask.counts,
      bounds,
      order,
    };
    this.ids[entry.slot] = object.id;
    this.entries.set(object.id, entry);
    return entry;
  }

  private repaint(region: Entry["bounds"]): void {
    const [x0, y0, x1, y1] = clip(region, this.width, this.height);
    for (let x = x0; x < x1; x++) this.data.fill(0, x * this.height + y0, x * this.height + y1);
    const inside = [...this.entries.values()].filter((entry) => meets(entry.bounds, region)).sort((a, b) => a.order - b.order);
    for (const entry of inside) this.paint(entry, x0, y0, x1, y1);
  }

  private paint({ runs, slot }: Entry, x0: number, y0: number, x1: number, y1: number): void {
    const { height, data } = this;
    const whole = y0 === 0 && y1 === height;
    const first = x0 * height;
    const last = x1 * height;
    for (let i = 0; i < runs.length; i += 2) {
      let at = Math.max(runs[i]!, first);
      const end = Math.min(runs[i]! + runs[i + 1]!, last);
      if (whole) {
        if (at < end) data.fill(slot, at, end);
        continue;
      }
      while (at < end) {
        const top = Math.floor(at / height) * height;
        const stop = Math.min(end, top + height);
        const from = Math.max(at, top + y0);
        const to = Math.min(stop, top + y1);
        if (from < to) data.fill(slot, from, to);
        at = stop;
      }
    }
  }
}

function union(a: Entry["bounds"] | null, b: Entry["bounds"]): Entry["bounds"] {
  return a ? [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])] : [...b];
}

function meets(a: Entry["bounds"], b: Entry["bounds"]): boolean {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

function clip(b: Entry["bounds"], width: number, height: number): Entry["bounds"] {
  return [Math.max(0, b[0]), Math.max(0, b[1]), Math.min(width, b[2]), Math.min(height, b[3])];
}
