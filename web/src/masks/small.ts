/** Masks drawn at a smaller size, straight from their runs: thumbnails of large pictures cost little. */
import type { Rle } from "../api/types";
import { onRuns } from "./rle";

/** Sets the pixels of a small picture whose middles lie on a mask of the large one. Pixels lie row by row. */
export function paintSmall(pixels: Uint32Array, width: number, height: number, mask: Rle, value: number): void {
  const [tall, wide] = mask.size;
  const runs = onRuns(mask.counts);
  const rowAfter = (y: number) => Math.max(0, Math.min(height, Math.ceil((y * height) / tall - 0.5)));
  let run = 0;
  for (let column = 0; column < width; column++) {
    const top = Math.floor(((column + 0.5) * wide) / width) * tall;
    while (run < runs.length && runs[run]! + runs[run + 1]! <= top) run += 2;
    for (let next = run; next < runs.length && runs[next]! < top + tall; next += 2) {
      const end = rowAfter(Math.min(tall, runs[next]! + runs[next + 1]! - top));
      for (let row = rowAfter(Math.max(0, runs[next]! - top)); row < end; row++) pixels[row * width + column] = value;
    }
  }
}
