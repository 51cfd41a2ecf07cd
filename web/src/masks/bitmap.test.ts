import { describe, expect, it } from "vitest";
import { Bitmap } from "./bitmap";

const drawing = (rows: string[]): Bitmap => {
  const bitmap = new Bitmap(rows.length, rows[0]!.length);
  rows.forEach((row, y) => [...row].forEach((sign, x) => sign === "#" && bitmap.stroke(x + 0.5, y + 0.5, x + 0.5, y + 0.5, 0.5, 1)));
  return bitmap;
};
const text = (bitmap: Bitmap): string[] =>
  Array.from({ length: bitmap.height }, (_, y) =>
    Array.from({ length: bitmap.width }, (_, x) => (bitmap.data[x * bitmap.height + y] ? "#" : ".")).join(""),
  );

describe("Bitmap", () => {
  it("paints single pixels where a thin brush is pressed", () => {
    const bitmap = new Bitmap(4, 6);
    bitmap.stroke(5.9, 3.9, 5.9, 3.9, 0.5, 1);
    expect(text(bitmap)).toEqual(["......", "......", "......", ".....#"]);
  });

  it("paints strokes as wide as the brush, and erases them again", () => {
    const bitmap = new Bitmap(60, 90);
    bitmap.stroke(20, 30, 70, 30, 10, 1);
    expect(bitmap.area()).toBeGreaterThan(0.97 * (50 * 20 + Math.PI * 100));
    expect(bitmap.area()).toBeLessThan(1.03 * (50 * 20 + Math.PI * 100));
    expect(bitmap.bounds()).toEqual([10, 20, 80, 40]);
    bitmap.stroke(20, 30, 70, 30, 10, 0);
    expect(bitmap.area()).toBe(0);
    expect(bitmap.bounds()).toBeNull();
  });

  it("keeps strokes that leave the picture inside it", () => {
    const bitmap = new Bitmap(10, 10);
    bitmap.stroke(-50, 5, 50, 5, 2, 1);
    expect(bitmap.bounds()).toEqual([0, 3, 10, 7]);
    bitmap.stroke(200, 200, 300, 300, 5, 1);
    expect(bitmap.area()).toBe(40);
  });

  it("fills small holes but not what is open to the outside, and keeps large ones", () => {
    const bitmap = drawing(["########", "#..#...#", "#..#...#", "####...#", "...#####"]);
    expect(bitmap.clean(4, 0)).toBe(4);
    expect(text(bitmap)).toEqual(["########", "####...#", "####...#", "####...#", "...#####"]);
  });

  it("drops specks; corners hold a piece together", () => {
    const bitmap = drawing(["#....##", ".#...##", ".......", "......#"]);
    expect(bitmap.clean(0, 1)).toBe(1);
    expect(text(bitmap)).toEqual(["#....##", ".#...##", ".......", "......."]);
    expect(bitmap.clean(0, 2)).toBe(2);
    expect(bitmap.area()).toBe(4);
  });

  it("reads and writes itself after any painting", () => {
    const bitmap = new Bitmap(31, 47);
    let seed = 7;
    const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    for (let i = 0; i < 40; i++) {
      bitmap.stroke(next() * 60 - 6, next() * 40 - 4, next() * 60 - 6, next() * 40 - 4, next() * 5, next() < 0.6 ? 1 : 0);
      const again = Bitmap.fromRle(bitmap.toRle());
      expect(again.data).toEqual(bitmap.data);
      expect(again.bounds()).toEqual(bitmap.bounds());
    }
  });
});
