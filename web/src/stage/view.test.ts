import { describe, expect, it } from "vitest";
import { fit, inside, kept, LARGEST, resized, reveal, toPicture, toScreen, zoomAt } from "./view";

const picture = { width: 6000, height: 4000 };
const stage = { width: 900, height: 700 };

describe("View", () => {
  it("fits the whole picture, in the middle", () => {
    const view = fit(picture, stage);
    const [x0, y0] = toScreen(view, 0, 0);
    const [x1, y1] = toScreen(view, 6000, 4000);
    expect(x0 + x1).toBeCloseTo(900);
    expect(y0 + y1).toBeCloseTo(700);
    expect(x0).toBeGreaterThan(0);
    expect(y0).toBeGreaterThan(0);
  });

  it.each([0.1, 0.5, 2, 16])("keeps the place under the mouse when it zooms by %s", (factor) => {
    const before = fit(picture, stage);
    const [x, y] = toPicture(before, 321, 123);
    const [sx, sy] = toScreen(zoomAt(before, factor, 321, 123, 0.001), x, y);
    expect(sx).toBeCloseTo(321, 6);
    expect(sy).toBeCloseTo(123, 6);
  });

  it("maps there and back at any scale", () => {
    for (const scale of [0.1, 0.37, 1, 7.5, 16]) {
      const view = { scale, x: -1234.5, y: 67.8 };
      const [x, y] = toPicture(view, ...toScreen(view, 1001.25, 7.75));
      expect(x).toBeCloseTo(1001.25, 9);
      expect(y).toBeCloseTo(7.75, 9);
    }
  });

  it("stays within its limits, and never loses the picture", () => {
    expect(zoomAt(fit(picture, stage), 1e9, 0, 0).scale).toBe(LARGEST);
    const lost = kept({ scale: 1, x: 99_999, y: -99_999 }, picture, stage);
    expect(lost.x).toBeLessThan(stage.width);
    expect(lost.y + 4000).toBeGreaterThan(0);
  });

  it("brings a place into sight with the least movement", () => {
    const view = { scale: 1, x: 0, y: 0 };
    expect(reveal(view, stage, 450, 350)).toBe(view);
    expect(toScreen(reveal(view, stage, 2000, 350), 2000, 350)).toEqual([860, 350]);
  });

  it("keeps places inside the picture", () => {
    expect(inside(picture, -5, 9999)).toEqual([0, 3999.99]);
  });

  it("shows the whole picture again after the stage was resized, else the same middle", () => {
    const small = { width: 390, height: 120 };
    const whole = fit(picture, stage);
    expect(resized(whole, picture, stage, small)).toEqual(fit(picture, small));
    expect(resized(whole, picture, null, stage)).toEqual(whole);
    const near = zoomAt(whole, 8, 450, 350);
    const after = resized(near, picture, stage, small);
    const middle = toPicture(near, 450, 350);
    expect(toPicture(after, 195, 60)[0]).toBeCloseTo(middle[0]);
    expect(toPicture(after, 195, 60)[1]).toBeCloseTo(middle[1]);
  });
});
