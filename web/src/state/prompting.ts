/** The draft: points, box, candidate; committing it; undo and redo. */
import type { Box, Draft, Hq, LabelObject, Point } from "../api/types";
import { Bitmap } from "../masks/bitmap";
import { run, step, whenReplaced, wholeDraft } from "./commands";
import { chosenCandidate, decodeDraft, stopHover } from "./decoding";
import { announce, busy, note, ready, whole } from "./status";
import {
  classes,
  classId,
  classOf,
  decoded,
  draft,
  EMPTY,
  hasPrompt,
  hq,
  info,
  objects,
  overlap,
  painted,
  refined,
  selection,
  tool,
} from "./store";

/** Puts another draft in place, stores it on the server, and decodes it where its prompt is what makes the mask. */
export function change(next: Draft | null, { store = true } = {}): void {
  const value = next && isBlank(next) ? null : next;
  draft.value = value;
  painted.value = value?.edited ? { bitmap: Bitmap.fromRle(value.edited) } : null;
  // Both are sent at once. The mask is shown when its prompt is stored, so a crash loses no prompt whose mask was seen.
  void decodeDraft(store ? run({ type: "set_draft", draft: value }) : null);
}

function isBlank(value: Draft): boolean {
  return !hasPrompt(value) && !value.edited;
}

/** The draft to go on with when a prompt is added: a mask painted by hand becomes the rough mask of the prompt. */
function continued(): Draft {
  const value = draft.value ?? { ...EMPTY, hq: info.value?.model.hq ? hq.value : null };
  return { ...value, mask: value.edited ?? value.mask, edited: null, candidate: null };
}

export function addPoints(points: Point[], label: 0 | 1): void {
  const value = continued();
  const labels = points.map(() => label);
  change({ ...value, points: [...value.points, ...points.map(rounded)], labels: [...value.labels, ...labels] });
  announce(`${label ? "Added" : "Subtracted"} at ${whole(points[0]![0])}, ${whole(points[0]![1])}`);
}

export function removePoint(index: number): void {
  const value = continued();
  change({ ...value, points: without(value.points, index), labels: without(value.labels, index) });
  if (!draft.value) ready();
  announce("Point removed");
}

export function movePoint(index: number, to: Point): void {
  const value = continued();
  change({ ...value, points: value.points.map((point, i) => (i === index ? rounded(to) : point)) });
}

export function setBox(box: Box | null): void {
  change({ ...continued(), box: box && (box.map((side) => Math.round(side * 100) / 100) as Box) });
}

function rounded([x, y]: Point): Point {
  return [Math.round(x * 100) / 100, Math.round(y * 100) / 100];
}

function without<T>(list: readonly T[], index: number): T[] {
  return list.filter((_, i) => i !== index);
}

/** Picks a candidate by its place in the list. */
export function pick(index: number): void {
  const candidate = decoded.value?.candidates[index];
  const value = draft.value;
  if (!candidate || !value || value.edited) return;
  const next = { ...value, candidate: candidate.name };
  draft.value = next;
  refined.value = null;
  void run({ type: "set_draft", draft: next });
  announce(`Candidate ${index + 1} of ${decoded.value!.candidates.length}, ${candidate.name === "HQ" ? "HQ" : `SAM ${candidate.name}`}, IoU ${candidate.iou.toFixed(2)}`);
}

/** The next candidate, or false where this is the last: then Tab leaves the stage as it does everywhere. */
export function pickNext(by: 1 | -1): boolean {
  const answer = decoded.value;
  if (!answer || !draft.value || draft.value.edited || answer.candidates.length < 2) return false;
  const next = chosenCandidate(answer, draft.value) + by;
  if (next < 0 || next >= answer.candidates.length) return false;
  pick(next);
  return true;
}

export function setHq(mode: Hq): void {
  hq.value = mode;
  const value = draft.value;
  if (value && !value.edited) change({ ...value, hq: mode, candidate: null });
  announce({ add: "HQ on", only: "HQ alone", off: "HQ off" }[mode]);
}

export function toggleHq(): void {
  if (info.value?.model.hq) setHq(({ add: "only", only: "off", off: "add" } as const)[hq.value]);
}

/** Accepts the draft as an object. */
export async function commit(): Promise<void> {
  const value = draft.value;
  if (!value) {
    note("Nothing to accept: give a point, a box or a stroke first.");
    return;
  }
  busy("Making the mask at full size…");
  const delta = await run({
    type: "commit",
    draft: value,
    overlap: overlap.value,
    ...(classId.value === null ? {} : { class_id: classId.value }),
    ...(value.object_id === null ? {} : { object_id: value.object_id }),
  });
  if (!delta) return;
  if (draft.value === value) takeDraft(null);
  const made = delta.upsert.find(({ id }) => id === value.object_id) ?? delta.upsert.at(-1);
  if (made) {
    // An object stays selected only where it was mended: the next class and the next stroke are for the next object.
    selection.value = new Set(value.object_id === made.id ? [made.id] : []);
    const name = classOf(made.class_id)?.name ?? "no class";
    ready(`Accepted: ${name}, ${whole(made.area)} px.`);
    announce(`Mask ${objects.value.length} accepted, ${name}, ${whole(made.area)} px${made.score === null ? "" : `, IoU ${made.score.toFixed(2)}`}`);
  }
}

export function clearDraft(): void {
  if (!draft.value) {
    if (selection.value.size) selection.value = new Set();
    return;
  }
  change(null);
  ready("Prompt cleared. Ctrl+Z brings it back.");
}

/** Goes on with a stored object: its mask becomes the draft, and accepting replaces it. */
export function editObject(object: LabelObject): void {
  if (object.locked) {
    note("This object is locked. Unlock it first.");
    return;
  }
  if (object.class_id !== null) classId.value = object.class_id;
  selection.value = new Set([object.id]);
  change({ ...EMPTY, edited: object.mask, object_id: object.id });
  if (tool.value === "select") tool.value = "brush";
  ready("Editing the object: paint, erase or give points. Enter accepts, Esc leaves it as it was.");
}

/** The draft as the server has it, after opening, undo or redo. */
export function takeDraft(stored: Partial<Draft> | null | undefined): void {
  stopHover();
  change(wholeDraft(stored), { store: false });
}

whenReplaced(({ draft: stored }) => takeDraft(stored));

export async function undo(): Promise<void> {
  await back("undo");
}

export async function redo(): Promise<void> {
  await back("redo");
}

async function back(direction: "undo" | "redo"): Promise<void> {
  const delta = await step(direction);
  if (!delta) return;
  takeDraft(delta.draft);
  if (!draft.value) ready();
}

export function chooseClass(id: number): void {
  classId.value = id;
  const ids = [...selection.value].filter((each) => !objects.value.find((object) => object.id === each)?.locked);
  const name = classes.value.find((row) => row.id === id)?.name ?? "";
  if (ids.length && !draft.value) {
    void run({ type: "update", ids, class_id: id });
    announce(`Class of ${ids.length === 1 ? "the object" : `${ids.length} objects`}: ${name}`);
  } else announce(`Class: ${name}`);
}
