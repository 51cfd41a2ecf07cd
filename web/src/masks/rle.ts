/** COCO's compressed RLE: runs of off and on pixels in turn, column by column, written as characters. */

/** The lengths of the runs; the first run is off. */
export function decodeCounts(counts: string): number[] {
  const runs: number[] = [];
  let at = 0;
  while (at < counts.length) {
    let value = 0;
    let shift = 0;
    let piece: number;
    do {
      piece = counts.charCodeAt(at++) - 48;
      value |= (piece & 31) << shift;
      shift += 5;
    } while (piece & 32);
    if (piece & 16 && shift < 32) value |= -1 << shift;
    if (runs.length > 2) value += runs[runs.length - 2]!;
    runs.push(value);
  }
  return runs;
}

export function encodeCounts(runs: readonly number[]): string {
  const codes: number[] = [];
  for (let i = 0; i < runs.length; i++) {
    let value = i > 2 ? runs[i]! - runs[i - 2]! : runs[i]!;
    for (;;) {
      const piece = value & 31;
      value >>= 5;
      const last = piece & 16 ? value === -1 : value === 0;
      codes.push((last ? piece : piece | 32) + 48);
      if (last) break;
    }
  }
  let text = "";
  for (let i = 0; i < codes.length; i += 8192) text += String.fromCharCode(...codes.slice(i, i + 8192));
  return text;
}

/** The on-runs of a mask as [start, length] pairs in column order: pixel (x, y) is number x * height + y. */
export function onRuns(counts: string): Int32Array {
  const runs = decodeCounts(counts);
  const out = new Int32Array(runs.length & ~1);
  let at = 0;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    at += runs[i]!;
    out[i] = at;
    out[i + 1] = runs[i + 1]!;
    at += runs[i + 1]!;
  }
  return out;
}
