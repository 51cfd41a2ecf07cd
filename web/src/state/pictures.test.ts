import { expect, test } from "vitest";
import type { Picture } from "../api/types";
import { upcoming } from "./pictures";

const row = (id: number, more: Partial<Picture> = {}): Picture => ({ id, name: `${id}.jpg`, width: 4, height: 3, status: "todo", n_objects: 0, encoded: false, error: null, ...more });

test("the pictures encoded ahead are those that M opens", () => {
  const rows = [row(1), row(2, { status: "done" }), row(3, { width: null }), row(4, { error: "damaged" }), row(5), row(6, { status: "doing" }), row(7), row(8, { status: "skip" })];
  const ids = (id: number, taken: number[] = []) => upcoming(rows, id, new Set(taken)).map((each) => each.id);
  expect(ids(1)).toEqual([5, 6]);
  expect(ids(1, [5])).toEqual([6, 7]);
  expect(ids(7)).toEqual([8]);
  expect(ids(8)).toEqual([]);
  expect(upcoming([row(1), row(2, { encoded: true }), row(3), row(4)], 1, new Set()).map((each) => each.id)).toEqual([3]);
});
