import { expect, test } from "vitest";
import { counted } from "./status";
import { ended, isLearning, missing } from "./training";
import type { TrainingData, TrainingRun } from "../api/types";

const RUN: TrainingRun = { state: "running", name: "cups", seconds: 1, fraction: 0.5, step: 3, lines: [], best: null };

test("a run that saves its state still runs", () => {
  const states = ["none", "running", "stopping", "done", "failed", "cancelled"] as const;
  expect(states.filter((state) => isLearning({ ...RUN, state }))).toEqual(["running", "stopping"]);
  expect(isLearning(null)).toBe(false);
});

test("how a run ended is said in words", () => {
  expect(ended({ ...RUN, state: "done", best: "x" })).toContain("“cups” is done");
  expect(ended({ ...RUN, state: "failed" })).toContain("failed");
  expect(ended({ ...RUN, state: "cancelled", best: "x" })).toContain("is kept");
  expect(ended({ ...RUN, state: "cancelled" })).toContain("before it learnt anything");
});

test("one picture is not several", () => {
  expect([counted(0, "picture"), counted(1, "picture"), counted(2, "object")]).toEqual(["0 pictures", "1 picture", "2 objects"]);
});

test("what is missing is said in words", () => {
  const row = { id: 1, name: "cup", pictures: 1, objects: 3 };
  const data: TrainingData = { classes: [row], pictures: 1, objects: 3, least_pictures: 2, problem: "Expected two." };
  expect(missing(data, "")).toBe("Training needs accepted objects on at least 2 pictures; there is 1 picture so far. Label more pictures.");
  expect(missing({ ...data, pictures: 0, objects: 0 }, "")).toContain("there are none so far. Label more pictures, or choose more classes.");
  expect(missing({ ...data, pictures: 2, problem: "Expected accelerate." }, "")).toBe("Expected accelerate.");
  const enough = { ...data, pictures: 2, problem: null };
  expect(["", "two cups", "2-3_x"].map((name) => missing(enough, name))).toEqual([null, null, null]);
  for (const name of ["-x", "a/b", "..", "ü"]) expect(missing(enough, name)).toContain("The name begins with");
});
