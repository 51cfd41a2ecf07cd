import { describe, expect, it } from "vitest";
import { Bitmap } from "../masks/bitmap";
import { positiveBounds, type LogitMask } from "../masks/logits";
import { DARK, LIGHT, Screen } from "./shade";

const looks = { fill: Uint32Array.of(0, 7), line: Uint32Array.of(0, 9), pattern: Uint8Array.of(0, 0), strong: Uint8Array.of(0, 0) };

function square(): Bitmap {
  const bitmap = new Bitmap(20, 20);
  for (let x = 5; x < 15; x++) bitmap.stroke(x + 0.5, 5.5, x + 0.5, 14.5, 0.5, 1);
  return bitmap;
}

function screen(width: number, height: number): Screen {
  const made = new Screen();
  made.resize(width, height);
  return made;
}

describe("Screen", () => {
  it.each([0.5, 1, 3, 8])("shows a mask at scale %s where the picture has it", (scale) => {
    const made = screen(80, 80);
    const view = { scale, x: 7, y: -3 };
    made.sampleBitmap(square(), view);
    const [x0, y0, x1, y1] = made.region;
    for (let sx = x0; sx < x1; sx++) {
      for (let sy = y0; sy < y1; sy++) {
        const px = Math.floor((sx + 0.5 - 7) / scale);
        const py = Math.floor((sy + 0.5 + 3) / scale);
        expect(made.slots[sx * 80 + sy]).toBe(px >= 5 && px < 15 && py >= 5 && py < 15 ? 1 : 0);
      }
    }
  });

  it("fills, outlines inside and darkens just outside", () => {
    const made = screen(20, 20);
    made.sampleBitmap(square(), { scale: 1, x: 0, y: 0 });
    const target = new Uint32Array(400);
    made.shade(target, looks);
    const at = (x: number, y: number) => target[y * 20 + x];
    expect([at(10, 10), at(5, 10), at(4, 10), at(3, 10)]).toEqual([7, 9, DARK, 0]);
    made.shade(target, { ...looks, strong: Uint8Array.of(0, 1) });
    expect([at(10, 10), at(6, 10), at(5, 10), at(4, 10)]).toEqual([7, LIGHT, LIGHT, DARK]);
  });

  it("enlarges logits as the server does: bilinearly, half-pixel centres", () => {
    const values = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i * 2.1));
    const mask: LogitMask = { values, rows: 4, columns: 4, scaleX: 4 / 24, scaleY: 4 / 16, height: 16, width: 24 };
    const made = screen(24, 16);
    made.sampleLogits(mask, positiveBounds(mask), { scale: 1, x: 0, y: 0 });
    const target = new Uint32Array(24 * 16);
    made.shade(target, { ...looks, line: Uint32Array.of(0, 7) });
    const value = (x: number, y: number) => {
      const gx = Math.min(3, Math.max(0, ((x + 0.5) * 4) / 24 - 0.5));
      const gy = Math.min(3, Math.max(0, ((y + 0.5) * 4) / 16 - 0.5));
      const [c, r] = [Math.min(2, Math.floor(gx)), Math.min(2, Math.floor(gy))];
      const row = (k: number) => values[k * 4 + c]! * (c + 1 - gx) + values[k * 4 + c + 1]! * (gx - c);
      return row(r) * (r + 1 - gy) + row(r + 1) * (gy - r);
    };
    for (let y = 0; y < 16; y++) {
      for (let x = 0; x < 24; x++) if (Math.abs(value(x, y)) > 1e-5) expect(target[y * 24 + x] === 7).toBe(value(x, y) > 0);
    }
  });

  it("shows nothing of an empty mask", () => {
    const made = screen(20, 20);
    made.sampleBitmap(new Bitmap(20, 20), { scale: 1, x: 0, y: 0 });
    expect(made.region).toEqual([0, 0, 0, 0]);
  });
});
