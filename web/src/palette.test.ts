import { expect, it } from "vitest";
import { colourOf, COLOURS, drawn, patternOf, PATTERNS, pixel } from "./palette";

it("gives neighbours another colour and another pattern, and no two of the first 36 the same pair", () => {
  for (let i = 0; i < 40; i++) {
    expect(colourOf(i)).not.toBe(colourOf(i + 1));
    if ((i + 1) % COLOURS.length) expect(patternOf(i)).not.toBe(patternOf(i + 1));
  }
  const pairs = new Set(Array.from({ length: 36 }, (_, i) => colourOf(i) + patternOf(i)));
  expect(pairs.size).toBe(COLOURS.length * PATTERNS.length);
});

it("writes pixels as ImageData has them", () => {
  const bytes = new Uint8Array(Uint32Array.of(pixel("#123456", 200)).buffer);
  expect([...bytes]).toEqual([0x12, 0x34, 0x56, 200]);
});

it("breaks dashed and dotted outlines, not solid ones", () => {
  const share = (pattern: number) => Array.from({ length: 64 }, (_, x) => drawn(pattern, x, 5)).filter(Boolean).length / 64;
  expect(share(0)).toBe(1);
  expect(share(1)).toBeCloseTo(0.625);
  expect(share(2)).toBeCloseTo(0.5);
});
