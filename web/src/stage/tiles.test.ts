import { describe, expect, it } from "vitest";
import { levelFor, levelSize, topLevel, visibleTiles } from "./tiles";

describe("tiles", () => {
  it("halve both sides, rounded up, until one tile is enough", () => {
    expect(levelSize({ width: 6001, height: 4000 }, 1)).toEqual({ width: 3001, height: 2000 });
    expect(topLevel({ width: 6000, height: 4000 }, 512)).toBe(4);
    expect(topLevel({ width: 512, height: 200 }, 512)).toBe(0);
  });

  it("come from the level that has the screen's sharpness", () => {
    expect([4, 1, 0.5, 0.3, 0.1, 0.001].map((scale) => levelFor(scale, 4))).toEqual([0, 0, 1, 1, 3, 4]);
  });

  it("are those that the stage shows, those in the middle first", () => {
    const picture = { width: 5000, height: 3000 };
    const keys = visibleTiles(picture, { width: 800, height: 600 }, { scale: 1, x: -1000, y: -1000 }, 0, 512);
    expect(keys.map(({ x, y }) => `${x},${y}`).sort()).toEqual(["1,1", "1,2", "1,3", "2,1", "2,2", "2,3", "3,1", "3,2", "3,3"]);
    expect(keys[0]).toMatchObject({ x: 2, y: 2 });
    expect(visibleTiles(picture, { width: 800, height: 600 }, { scale: 0.1, x: 0, y: 0 }, 4, 512)).toEqual([{ z: 4, x: 0, y: 0 }]);
  });
});
