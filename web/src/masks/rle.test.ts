import { describe, expect, it } from "vitest";
import { Bitmap } from "./bitmap";
import cases from "./coco-rle.json";
import { decodeCounts, encodeCounts, onRuns } from "./rle";

// Written by pycocotools 2.0.
describe.each(cases)("COCO's RLE of $name", ({ size, counts, pixels, area }) => {
  it("gives the pixels", () => {
    const data = decodeCounts(counts).map((length, i) => String(i % 2).repeat(length));
    expect(data.join("")).toBe(pixels);
  });

  it("is written as COCO writes it", () => {
    expect(encodeCounts(decodeCounts(counts))).toBe(counts);
    const bitmap = Bitmap.fromRle({ size: size as [number, number], counts });
    expect(bitmap.toRle()).toEqual({ size, counts });
    expect(bitmap.area()).toBe(area);
  });

  it("has on-runs of that area", () => {
    const runs = onRuns(counts);
    let sum = 0;
    for (let i = 1; i < runs.length; i += 2) sum += runs[i]!;
    expect(sum).toBe(area);
  });
});
