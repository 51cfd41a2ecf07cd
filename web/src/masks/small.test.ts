import { expect, test } from "vitest";
import { Bitmap } from "./bitmap";
import { paintSmall } from "./small";

test.each([
  [40, 60, 40, 60],
  [40, 60, 13, 7],
  [97, 31, 10, 10],
  [5, 7, 20, 28],
  [1, 1, 1, 1],
])("a mask of %i x %i drawn at %i x %i has the pixels under the middles", (tall, wide, height, width) => {
  const bitmap = new Bitmap(tall, wide);
  bitmap.stroke(1, 1, wide - 1, tall * 0.7, Math.max(1, tall / 6), 1);
  bitmap.stroke(wide / 2, 0, wide / 2, tall, 1, 1);
  const pixels = new Uint32Array(height * width);
  paintSmall(pixels, width, height, bitmap.toRle(), 9);
  const expected = Array.from(pixels, (_, at) => {
    const x = Math.floor((((at % width) + 0.5) * wide) / width);
    const y = Math.floor(((Math.floor(at / width) + 0.5) * tall) / height);
    return bitmap.data[x * tall + y] ? 9 : 0;
  });
  expect(Array.from(pixels)).toEqual(expected);
  expect(expected).toContain(9);
});
