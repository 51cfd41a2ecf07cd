import { describe, expect, it } from "vitest";
import type { Box, Point } from "../api/types";
import { alongLine, handles, resized } from "./live";

const box: Box = [10, 20, 50, 60];

describe("a box", () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7])("follows its handle %s", (handle) => {
    const [x, y] = handles(box)[handle]!;
    const next = resized(box, handle, [x + 4, y + 3]);
    expect(handles(next)[handle]).toEqual([handle === 1 || handle === 5 ? 30 : x + 4, handle === 3 || handle === 7 ? 40 : y + 3]);
  });

  it("turns over when a side passes the other", () => {
    expect(resized(box, 0, [90, 90])).toEqual([50, 60, 90, 90]);
  });
});

describe("places along a line", () => {
  const line: Point[] = [
    [0, 0],
    [60, 0],
    [60, 40],
  ];

  it("are the same way apart, from end to end", () => {
    expect(alongLine(line, 6, 20)).toEqual([
      [0, 0],
      [20, 0],
      [40, 0],
      [60, 0],
      [60, 20],
      [60, 40],
    ]);
  });

  it("are at most as many as asked, one in the middle of a short line", () => {
    expect(alongLine(line, 3, 1)).toEqual([
      [0, 0],
      [50, 0],
      [60, 40],
    ]);
    expect(alongLine(line, 6, 1000)).toEqual([[50, 0]]);
    expect(alongLine([[3, 4]], 6, 10)).toEqual([[3, 4]]);
  });
});
