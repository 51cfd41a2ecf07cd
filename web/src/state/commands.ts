/** Commands to the server, one after the other, and what their answers change. Each is a revision that can be undone. */
import { signal } from "@preact/signals";
import { askJson, losses, ServerError } from "../api/client";
import type { Command, Delta, Draft, LabelObject, PictureState } from "../api/types";
import { announce, failed, note } from "./status";
import { classes, EMPTY, history, objects, pictureId, pictures, selection } from "./store";

let queue: Promise<unknown> = Promise.resolve();
/** How many commands wait for their answer. */
export const unanswered = signal(0);

/** Resolves when all commands given so far are answered. */
export function settled(): Promise<unknown> {
  return queue;
}

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  unanswered.value += 1;
  const result = queue.then(work).finally(() => (unanswered.value -= 1));
  queue = result.catch(() => undefined);
  return result;
}

let abandoned = false;

/** Lets the browser ask before the page is left, as long as a command waits for its answer. */
export function holdBack(event: BeforeUnloadEvent): void {
  if (unanswered.value && !abandoned) event.preventDefault();
}

/** Begins again with the server that is there now. What waits was meant for another project, and is never sent. */
export function startOver(): Promise<never> {
  abandoned = true;
  location.replace(location.pathname);
  return new Promise(() => undefined);
}

/**
 * Sends one command and applies its answer, without the draft: the page's own is newer. Null where it failed.
 *
 * It names the revision that the page knows. So a command of an outdated page is refused, and one that is sent twice, as its first answer was lost,
 * is done once.
 */
export function run(command: Command): Promise<Delta | null> {
  const id = pictureId.value;
  return inTurn(async () => {
    if (id === null) return null;
    const before = losses;
    try {
      const delta = await askJson<Delta>(`/images/${id}/commands`, { json: { command, ...known(id) }, outlives: true, patient: true });
      applyDelta(id, delta);
      return delta;
    } catch (error) {
      await refused(id, error, before);
      return null;
    }
  });
}

/** The newest revision of a picture that the page knows, where it does. */
function known(id: number): { after?: number } {
  const { revision } = history.value;
  return pictureId.value === id && revision !== null ? { after: revision } : {};
}

let replaced: (state: PictureState) => void = () => undefined;

/** What to do when the state of the open picture comes from the server in place of the page's own. */
export function whenReplaced(work: (state: PictureState) => void): void {
  replaced = work;
}

/** Says why a command was refused; where the page was outdated, shows the newest state. */
async function refused(id: number, error: unknown, lossesBefore: number): Promise<void> {
  failed(error);
  if (!(error instanceof ServerError) || error.status !== 409) return;
  try {
    const state = await reload(id);
    if (error.code !== "outdated" || pictureId.value !== id) return;
    replaced(state);
    if (losses !== lossesBefore) note("The server is back. This is what it has of this picture.");
    else note("This picture was changed in another window. Its newest state is shown; repeat your last step if it is missing.");
  } catch (failure) {
    failed(failure);
  }
}

/** Shows changes that another window made, where the page has none of its own under way. */
export async function catchUp(id: number, revision: number): Promise<void> {
  const current = history.value.revision;
  if (pictureId.value !== id || unanswered.value || current === null || revision <= current) return;
  const state = await reload(id);
  if (pictureId.value === id && !unanswered.value) replaced(state);
}

/** Undo or redo; the answer's draft is to be taken over by the caller. */
export function step(direction: "undo" | "redo"): Promise<Delta | null> {
  const id = pictureId.value;
  return inTurn(async () => {
    const label = direction === "undo" ? history.value.undo : history.value.redo;
    if (id === null || label === null) {
      note(`Nothing to ${direction}.`);
      return null;
    }
    const before = losses;
    const { after } = known(id);
    try {
      const path = `/images/${id}/${direction}${after === undefined ? "" : `?after=${after}`}`;
      const delta = await askJson<Delta>(path, { method: "POST", outlives: true, patient: true });
      applyDelta(id, delta);
      announce(`${direction === "undo" ? "Undone" : "Done again"}: ${spoken(label)}`);
      return delta;
    } catch (error) {
      await refused(id, error, before);
      return null;
    }
  });
}

const WORDS: Record<string, string> = {
  set_draft: "prompt",
  commit: "mask accepted",
  commit_many: "suggestions accepted",
  set_mask: "mask changed",
  clean: "mask cleaned",
  update: "object changed",
  delete: "object deleted",
  import: "import",
};

export function spoken(label: string): string {
  return WORDS[label] ?? label.replaceAll("_", " ");
}

/** The state of a picture from the server, in place of what the page has. */
export async function reload(id: number): Promise<PictureState> {
  const state = await askJson<PictureState>(`/images/${id}/state`);
  if (pictureId.value === id) {
    objects.value = state.objects;
    takeHistory(state);
  }
  return state;
}

export function takeHistory(state: Pick<Delta, "revision" | "can_undo" | "can_redo" | "undo_label" | "redo_label">): void {
  history.value = {
    revision: state.revision,
    undo: state.can_undo ? (state.undo_label ?? "last change") : null,
    redo: state.can_redo ? (state.redo_label ?? "next change") : null,
  };
}

function applyDelta(id: number, delta: Delta): void {
  if (pictureId.value !== id) return;
  takeHistory(delta);
  if (!delta.upsert.length && !delta.remove.length) return;
  objects.value = merged(objects.value, delta);
  const known = new Set(objects.value.map((object) => object.id));
  selection.value = new Set([...selection.value].filter((each) => known.has(each)));
  const count = objects.value.length;
  pictures.value = pictures.value.map((row) =>
    row.id === id ? { ...row, n_objects: count, status: row.status === "todo" ? "doing" : row.status } : row,
  );
  const unknown = delta.upsert.some(({ class_id }) => class_id !== null && !classes.value.some((row) => row.id === class_id));
  if (unknown) void refreshClasses();
}

export async function refreshClasses(): Promise<void> {
  classes.value = (await askJson<{ classes: typeof classes.value }>("/classes")).classes;
}

/** The objects after a delta, in drawing order. */
export function merged(before: readonly LabelObject[], delta: Pick<Delta, "upsert" | "remove">): LabelObject[] {
  const gone = new Set(delta.remove);
  const fresh = new Map(delta.upsert.map((object) => [object.id, object]));
  const kept = before.filter(({ id }) => !gone.has(id)).map((object) => fresh.get(object.id) ?? object);
  const known = new Set(before.map(({ id }) => id));
  for (const object of delta.upsert) if (!known.has(object.id)) kept.push(object);
  return kept.sort((a, b) => a.z - b.z);
}

/** A draft as the server keeps it, with every key. */
export function wholeDraft(draft: Partial<Draft> | null | undefined): Draft | null {
  if (!draft) return null;
  const known = Object.fromEntries(Object.entries(draft).filter(([key, value]) => key in EMPTY && value !== undefined));
  return { ...EMPTY, ...known };
}
