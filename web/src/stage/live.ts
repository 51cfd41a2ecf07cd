/** What the pointer is in the middle of: drawn on the stage, not yet part of the draft. */
import { signal } from "@preact/signals";
import type { Box, Point } from "../api/types";

export const liveBox = signal<Box | null>(null);
export const livePoint = signal<{ index: number; at: Point } | null>(null);
export const liveScribble = signal<{ points: Point[]; label: 0 | 1 } | null>(null);
export const hoveredPoint = signal<number | null>(null);
export const panning = signal(false);

/** The place of a box's eight handles, clockwise from the top left. */
export function handles([x0, y0, x1, y1]: Box): Point[] {
  const mx = (x0 + x1) / 2;
  const my = (y0 + y1) / 2;
  return [
    [x0, y0],
    [mx, y0],
    [x1, y0],
    [x1, my],
    [x1, y1],
    [mx, y1],
    [x0, y1],
    [x0, my],
  ];
}

/** The box after one handle was dragged to a place; sides that pass each other change roles. */
export function resized([x0, y0, x1, y1]: Box, handle: number, [x, y]: Point): Box {
  const left = handle === 0 || handle >= 6;
  const right = handle >= 2 && handle <= 4;
  const top = handle <= 2;
  const bottom = handle >= 4 && handle <= 6;
  return ordered([left ? x : x0, top ? y : y0, right ? x : x1, bottom ? y : y1]);
}

export function ordered([x0, y0, x1, y1]: Box): Box {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
}

export const CURSORS = ["nwse", "ns", "nesw", "ew", "nwse", "ns", "nesw", "ew"] as const;

/** At most `most` places along a line, the same way apart, both ends among them. */
export function alongLine(line: readonly Point[], most: number, step: number): Point[] {
  const lengths = [0];
  for (let i = 1; i < line.length; i++) {
    lengths.push(lengths[i - 1]! + Math.hypot(line[i]![0] - line[i - 1]![0], line[i]![1] - line[i - 1]![1]));
  }
  const total = lengths.at(-1) ?? 0;
  const count = Math.max(1, Math.min(most, Math.floor(total / step) + 1));
  const places: Point[] = [];
  for (let k = 0, i = 0; k < count; k++) {
    const at = count === 1 ? total / 2 : (total * k) / (count - 1);
    while (i + 2 < line.length && lengths[i + 1]! < at) i++;
    const a = line[i]!;
    const b = line[Math.min(i + 1, line.length - 1)]!;
    const span = (lengths[i + 1] ?? lengths[i]!) - lengths[i]!;
    const t = span ? (at - lengths[i]!) / span : 0;
    places.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
  }
  return places;
}
