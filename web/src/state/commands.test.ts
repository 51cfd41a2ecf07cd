import { expect, it } from "vitest";
import type { LabelObject } from "../api/types";
import { merged, wholeDraft } from "./commands";
import { EMPTY } from "./store";

const object = (id: string, z: number, area = 1) => ({ id, z, area }) as LabelObject;

it("puts a delta into the objects, in drawing order", () => {
  const before = [object("a", 1), object("b", 2), object("c", 3)];
  const after = merged(before, { upsert: [object("b", 9, 5), object("d", 2)], remove: ["a"] });
  expect(after.map(({ id, area }) => [id, area])).toEqual([
    ["d", 1],
    ["c", 1],
    ["b", 5],
  ]);
  expect(before).toHaveLength(3);
});

it("completes a stored draft, and leaves out keys that it does not know", () => {
  expect(wholeDraft(null)).toBeNull();
  const stored = { points: [[1, 2]], labels: [1], later: true } as unknown as Parameters<typeof wholeDraft>[0];
  expect(wholeDraft(stored)).toEqual({ ...EMPTY, points: [[1, 2]], labels: [1] });
});
