import { describe, expect, it } from "vitest";
import { Bitmap } from "./bitmap";
import { LabelMap } from "./labels";

const HEIGHT = 23;
const WIDTH = 31;

function object(id: string, x: number, y: number, radius: number) {
  const bitmap = new Bitmap(HEIGHT, WIDTH);
  bitmap.stroke(x, y, x + 3, y + 2, radius, 1);
  const [x0, y0, x1, y1] = bitmap.bounds()!;
  return { id, mask: bitmap.toRle(), bbox: [x0, y0, x1 - x0, y1 - y0] as [number, number, number, number], bitmap };
}
type Shown = ReturnType<typeof object>;

/** What lies on top, pixel by pixel, by looking at every mask. */
function expected(objects: readonly Shown[]): (string | null)[] {
  return Array.from({ length: HEIGHT * WIDTH }, (_, at) => objects.findLast(({ bitmap }) => bitmap.data[at])?.id ?? null);
}

function shown(map: LabelMap): (string | null)[] {
  return Array.from({ length: HEIGHT * WIDTH }, (_, at) => map.idAt(Math.floor(at / HEIGHT), at % HEIGHT));
}

describe("LabelMap", () => {
  it("shows the top object of each pixel after any sequence of changes", () => {
    const map = new LabelMap(HEIGHT, WIDTH);
    let seed = 11;
    const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    let objects: Shown[] = [];
    for (let turn = 0; turn < 120; turn++) {
      const what = next();
      const at = Math.floor(next() * objects.length);
      if (what < 0.45 || !objects.length) objects = [...objects, object(`o${turn}`, next() * WIDTH, next() * HEIGHT, 1 + next() * 5)];
      else if (what < 0.65) objects = objects.filter((_, i) => i !== at);
      else if (what < 0.8) objects = objects.map((each, i) => (i === at ? object(each.id, next() * WIDTH, next() * HEIGHT, 1 + next() * 5) : each));
      else {
        const moved = objects[at]!;
        objects = objects.filter((_, i) => i !== at);
        objects.splice(Math.floor(next() * (objects.length + 1)), 0, moved);
      }
      map.show(objects);
      expect(map.size).toBe(objects.length);
      expect(shown(map)).toEqual(expected(objects));
    }
  });

  it("uses slots again", () => {
    const map = new LabelMap(HEIGHT, WIDTH);
    for (let i = 0; i < 50; i++) map.show([object(`o${i}`, 9, 9, 3)]);
    expect(map.slots).toBeLessThanOrEqual(3);
    expect(map.idAt(9, 9)).toBe("o49");
    expect(map.idAt(-1, 0)).toBeNull();
  });
});
