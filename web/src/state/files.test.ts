import { expect, it } from "vitest";
import { fileName } from "./files";

it.each([
  ['attachment; filename="coco.json"', "coco.json"],
  ["attachment; filename=labels.zip", "labels.zip"],
  ["attachment; filename=\"a.zip\"; filename*=UTF-8''gr%C3%BCn.zip", "grün.zip"],
  [null, null],
])("reads the file's name from %s", (header, name) => {
  expect(fileName(header)).toBe(name);
});
