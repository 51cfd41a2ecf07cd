/** A candidate mask as logits on the model's grid, enlarged bilinearly (half-pixel centres) where it is looked at. */
import type { Decoded } from "../api/decoded";

/** One mask's logits; `scaleX` grid columns make one picture column. */
export interface LogitMask {
  values: Float32Array;
  rows: number;
  columns: number;
  scaleX: number;
  scaleY: number;
  height: number;
  width: number;
}

export function logitMask(decoded: Decoded, index: number, height: number, width: number): LogitMask {
  const [, h, w] = decoded.shape;
  return {
    values: decoded.logits.subarray(index * h * w, (index + 1) * h * w),
    rows: h,
    columns: w,
    scaleX: decoded.cropHw[1] / width,
    scaleY: decoded.cropHw[0] / height,
    height,
    width,
  };
}

/** [x0, y0, x1, y1] in picture pixels outside of which no logit is above 0; null where none is. */
export function positiveBounds(mask: LogitMask): [number, number, number, number] | null {
  let x0 = Infinity;
  let y0 = Infinity;
  let x1 = -1;
  let y1 = -1;
  const [rows, columns] = pictureGrid(mask);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (mask.values[r * mask.columns + c]! <= 0) continue;
      x0 = Math.min(x0, c);
      x1 = Math.max(x1, c);
      y0 = Math.min(y0, r);
      y1 = Math.max(y1, r);
    }
  }
  if (x1 < 0) return null;
  return [
    Math.max(0, (x0 - 0.5) / mask.scaleX),
    Math.max(0, (y0 - 0.5) / mask.scaleY),
    Math.min(mask.width, (x1 + 1.5) / mask.scaleX),
    Math.min(mask.height, (y1 + 1.5) / mask.scaleY),
  ];
}

/** How many pixels of the picture are on, estimated from the grid. */
export function estimatedArea(mask: LogitMask): number {
  let cells = 0;
  const [rows, columns] = pictureGrid(mask);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) if (mask.values[r * mask.columns + c]! > 0) cells++;
  return Math.round(cells / (mask.scaleX * mask.scaleY));
}

/** The rows and columns of the grid that the picture fills. */
function pictureGrid(mask: LogitMask): [number, number] {
  return [
    Math.min(mask.rows, Math.ceil(mask.height * mask.scaleY - 1e-6)),
    Math.min(mask.columns, Math.ceil(mask.width * mask.scaleX - 1e-6)),
  ];
}
