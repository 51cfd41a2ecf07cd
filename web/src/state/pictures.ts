/** The pictures of the folder: opening one, going to the next, encoding what comes next. */
import { ask, askEvents, askJson, isLost, reconnected, ServerError } from "../api/client";
import type { Picture, PictureStatus } from "../api/types";
import { reload, settled } from "./commands";
import { dismiss } from "./jobs";
import { beat, takeNext } from "./presence";
import { takeDraft } from "./prompting";
import { announce, busy, failed, note, ready } from "./status";
import { cursor, draft, elsewhere, encoding, history, info, NO_TIMES, objects, picture, pictureId, pictures, pointer, selection, times, UNKNOWN } from "./store";

const AHEAD = 2;
let opened = new AbortController();

/** Opens a picture: its objects and draft from the server, its embedding made at once, then those of the next two. */
export async function open(id: number): Promise<void> {
  await settled();
  opened.abort();
  opened = new AbortController();
  const { signal } = opened;
  dismiss();
  takeDraft(null);
  pictureId.value = id;
  objects.value = [];
  history.value = UNKNOWN;
  selection.value = new Set();
  cursor.value = null;
  pointer.value = null;
  times.value = NO_TIMES;
  encoding.value = null;
  const row = picture.value;
  if (!row) return;
  globalThis.history.replaceState(null, "", `#image=${id}`);
  void beat();
  if (!row.width) {
    failed(new Error(`${row.name} cannot be opened. ${row.error ?? "It is no picture that samhq reads."}`));
    return;
  }
  busy(`Opening ${row.name}…`);
  announce(`Picture ${position(id) + 1} of ${pictures.value.length}, ${row.name}`);
  try {
    const state = await reload(id);
    if (signal.aborted) return;
    await encode(id, signal);
    if (signal.aborted) return;
    ready();
    takeDraft(state.draft);
    await encodeAhead(id, signal);
  } catch (error) {
    if (signal.aborted) return;
    if (isLost(error)) {
      await reconnected();
      if (!signal.aborted) await open(id);
      return;
    }
    if (error instanceof ServerError && error.code === "bad_request") markBroken(id, error.message);
    failed(error);
  }
}

/** Files whose damage is met only when they are read. */
function markBroken(id: number, error: string): void {
  pictures.value = pictures.value.map((row) => (row.id === id ? { ...row, error } : row));
}

async function encode(id: number, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of askEvents(`/images/${id}/encode`, { method: "POST", signal })) {
      if (event.name === "progress") encoding.value = event.data as { stage: string; fraction: number };
      if (event.name === "done") {
        const { encode_ms, from_cache } = event.data as { encode_ms: number; from_cache: boolean };
        times.value = { ...times.value, encode: encode_ms, cached: from_cache };
        markEncoded(id);
      }
    }
  } finally {
    if (!signal.aborted) encoding.value = null;
  }
}

async function encodeAhead(id: number, signal: AbortSignal): Promise<void> {
  for (const row of upcoming(pictures.value, id, elsewhere.value)) {
    try {
      for await (const event of askEvents(`/images/${row.id}/encode?background=1`, { method: "POST", signal })) {
        if (event.name === "done") markEncoded(row.id);
      }
    } catch (error) {
      if (!(error instanceof ServerError)) return;
      if (error.code === "bad_request") markBroken(row.id, error.message);
    }
  }
}

/** The pictures that are probably opened next and are not encoded: those behind this one that are to do, which M opens, else any. */
export function upcoming(rows: readonly Picture[], id: number, taken: ReadonlySet<number>): Picture[] {
  const behind = rows.slice(rows.findIndex((row) => row.id === id) + 1).filter((row) => row.width && !row.error);
  const isToDo = ({ id: other, status }: Picture) => (status === "todo" || status === "doing") && !taken.has(other);
  const left = behind.filter(isToDo);
  return (left.length ? left : behind).slice(0, AHEAD).filter((row) => !row.encoded);
}

function markEncoded(id: number): void {
  pictures.value = pictures.value.map((row) => (row.id === id ? { ...row, encoded: true, error: null } : row));
}

function position(id: number): number {
  return pictures.value.findIndex((row) => row.id === id);
}

/** The picture `by` places further in the folder. */
export function move(by: number): void {
  const id = pictureId.value;
  if (id === null) return;
  const next = pictures.value[position(id) + by];
  if (next) void open(next.id);
  else note(by > 0 ? "This is the last picture." : "This is the first picture.");
}

/** Gives the open picture a status; false where it could not. */
export async function setStatus(status: PictureStatus): Promise<boolean> {
  const id = pictureId.value;
  if (id === null) return false;
  try {
    await settled();
    const row = await askJson<Picture>(`/images/${id}`, { method: "PATCH", json: { status }, patient: true });
    pictures.value = pictures.value.map((each) => (each.id === id ? { ...each, status: row.status } : each));
    announce(`Picture marked as ${status}`);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

/** Marks the open picture and opens the next one that is to do. A mask that is not accepted is not left behind. */
export async function finish(status: "done" | "skip"): Promise<void> {
  if (draft.value && status === "done") {
    note("This picture has a mask that is not accepted. Accept it with Enter or clear it with Esc, then press M.");
    return;
  }
  if (pictureId.value === null || !(await setStatus(status))) return;
  try {
    const next = await takeNext();
    if (next) await openNew(next);
    else note("No other picture is left to do. Export takes the labels elsewhere.");
  } catch (error) {
    failed(error);
  }
}

/** Opens a picture that this page may not have in its list yet. */
async function openNew(row: Picture): Promise<void> {
  if (position(row.id) === -1) await refreshPictures();
  await open(row.id);
}

export async function refreshPictures(): Promise<void> {
  pictures.value = (await askJson<{ images: Picture[] }>("/images")).images;
}

/** Lets the server look for pictures that were put into its folder since it started. */
export async function rescan(): Promise<void> {
  if (info.value?.folder) await ask("/images/open", { json: { path: "." } });
}

/** A tile of a picture, ready to be drawn. */
export async function loadTile(id: number, z: number, x: number, y: number, signal: AbortSignal): Promise<ImageBitmap> {
  const response = await ask(`/images/${id}/tile/${z}/${x}/${y}`, { signal });
  return createImageBitmap(await response.blob());
}
