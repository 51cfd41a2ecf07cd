import { expect, test } from "vitest";
import type { Picture } from "../api/types";
import { nextToDo } from "./pictures";

const row = (id: number, more: Partial<Picture> = {}): Picture => ({ id, name: `${id}.jpg`, width: 4, height: 3, status: "todo", n_objects: 0, encoded: false, error: null, ...more });

test("the next picture to do is behind the open one, else before it", () => {
  const rows = [row(1), row(2, { status: "done" }), row(3, { width: null }), row(4, { error: "damaged" }), row(5, { status: "doing" }), row(6, { status: "skip" })];
  expect([null, 1, 2, 5, 6].map((id) => nextToDo(rows, id)?.id)).toEqual([1, 5, 5, 1, 1]);
  expect(nextToDo([row(1)], 1)).toBeNull();
  expect(nextToDo([], null)).toBeNull();
});
