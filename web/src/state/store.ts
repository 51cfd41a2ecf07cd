/** What the page knows, as signals. Nothing here asks the server or draws. */
import { computed, signal } from "@preact/signals";
import type { Decoded } from "../api/decoded";
import type { Draft, Hq, Info, LabelClass, LabelObject, Model, Overlap, Picture, Point, Rle, Suggestion, TrainingRun } from "../api/types";
import type { Bitmap } from "../masks/bitmap";
import { colourOf } from "../palette";
import type { Size, View } from "../stage/view";
import { kept } from "./kept";

export type Tool = "select" | "point" | "box" | "scribble" | "brush" | "eraser";

export const info = signal<Info | null>(null);
export const classes = signal<LabelClass[]>([]);
export const pictures = signal<Picture[]>([]);
export const pictureId = signal<number | null>(null);
export const picture = computed(() => pictures.value.find(({ id }) => id === pictureId.value) ?? null);
export const pictureSize = computed<Size | null>(() => {
  const open = picture.value;
  return open?.width && open.height ? { width: open.width, height: open.height } : null;
});

/** The committed objects in drawing order. */
export const objects = signal<LabelObject[]>([]);
export const selection = signal<ReadonlySet<string>>(new Set());
/** The newest revision that the page knows, null before it has one, and what can be undone and redone. */
export const UNKNOWN = { revision: null as number | null, undo: null as string | null, redo: null as string | null };
export const history = signal(UNKNOWN);
/** The pictures that other windows have open. */
export const elsewhere = signal<ReadonlySet<number>>(new Set());
export const isShared = computed(() => pictureId.value !== null && elsewhere.value.has(pictureId.value));

export const tool = signal<Tool>("point");
/** The switch that turns what a plain click does: add or subtract. */
export const subtracting = signal(false);
export const brushRadius = kept("brush", 12);
export const cleaning = kept("clean", 64);
/** The class of the next object. */
export const classId = signal<number | null>(null);
export const lastClass = kept("class", 0);
export const hq = kept<Hq>("hq", "add");
export const overlap = kept<Overlap>("overlap", "keep");

export const EMPTY: Draft = {
  points: [],
  labels: [],
  box: null,
  mask: null,
  hq: null,
  candidate: null,
  edited: null,
  object_id: null,
};
export const draft = signal<Draft | null>(null);
/** The candidates of the draft's prompt. */
export const decoded = signal<Decoded | null>(null);
/** The mask that a commit would store, where it is more than the chosen candidate: looked at twice by the server. */
export const refined = signal<{ mask: Rle; bitmap: Bitmap; area: number; iou: number } | null>(null);
/** The mask painted by hand; it is changed in place, and put here anew so that who draws it hears of it. */
export const painted = signal<{ bitmap: Bitmap } | null>(null);
export const preview = signal<{ at: Point; decoded: Decoded } | null>(null);

export const suggestions = signal<{ jobId: string; kind: string; items: Suggestion[]; taken: ReadonlySet<number> } | null>(null);
export const leastScore = signal(0);
export const hoveredSuggestion = signal<number | null>(null);
export const job = signal<{ id: string; kind: string; done: number; total: number | null } | null>(null);

export const view = signal<View>({ scale: 1, x: 0, y: 0 });
export const stageSize = signal<Size>({ width: 0, height: 0 });
/** The place of the mouse on the picture, and that of the keyboard's cursor. */
export const pointer = signal<Point | null>(null);
export const cursor = signal<Point | null>(null);
/** How many points a side the grid of "everything" has. */
export const density = kept("density", 32);
export const opacity = kept("opacity", 0.45);
export const outlineOnly = signal(false);
export const hideAll = signal(false);
export const colouring = kept<"object" | "class">("colouring", "object");

export interface Status {
  kind: "ready" | "busy" | "error" | "note";
  text: string;
}
export const status = signal<Status>({ kind: "busy", text: "Connecting to the server…" });
export const announcement = signal("");
export const encoding = signal<{ stage: string; fraction: number } | null>(null);
/** Milliseconds: encoding the picture, decoding the last prompt, the way to the server and back beyond that, and painting. */
export interface Times {
  encode: number | null;
  cached: boolean;
  decode: number | null;
  way: number | null;
  paint: number | null;
}
export const NO_TIMES: Times = { encode: null, cached: false, decode: null, way: null, paint: null };
export const times = signal(NO_TIMES);
/** Previews under the mouse: as long as decoding is fast, always, or never. */
export const previews = kept<"auto" | "always" | "never">("previews", "auto");
export const isSlow = signal(false);
export const hoverPaused = computed(() => previews.value === "auto" && isSlow.value);
/** The newest training run, and the models to label with. */
export const training = signal<TrainingRun | null>(null);
export const models = signal<Model[]>([]);
/** Files that could not be added as pictures, with the reasons. */
export const refusedFiles = signal<readonly string[]>([]);
export const dialog = signal<"help" | "export" | "import" | "pictures" | "classes" | "training" | null>(null);

export const shownObjects = computed(() => {
  const edited = draft.value?.object_id;
  return objects.value.filter(({ hidden, id }) => !hidden && id !== edited);
});
/** The suggestions that are still to be taken, as [index, suggestion], the largest first: small ones lie on top. */
export const openSuggestions = computed(() => {
  const all = suggestions.value;
  if (!all) return [];
  return all.items
    .map((item, index) => [index, item] as const)
    .filter(([index, item]) => !all.taken.has(index) && item.score >= leastScore.value)
    .sort((a, b) => b[1].area - a[1].area);
});

export const classById = computed(() => new Map(classes.value.map((row, index) => [row.id, { ...row, index }])));

export function classOf(id: number | null): (LabelClass & { index: number }) | null {
  return id === null ? null : (classById.value.get(id) ?? null);
}

/** The class that the field of classes names: that of the selected objects where they have one, else that of the next object. */
export const shownClassId = computed(() => {
  const chosen = draft.value ? [] : objects.value.filter(({ id }) => selection.value.has(id));
  const first = chosen[0]?.class_id;
  return first !== undefined && chosen.every(({ class_id }) => class_id === first) ? first : classId.value;
});

/** The number that an object's colour and pattern come from. */
export function lookOf(object: LabelObject): number {
  if (colouring.value === "class") return classOf(object.class_id)?.index ?? 0;
  let hash = 0;
  for (let i = 0; i < object.id.length; i++) hash = (hash * 31 + object.id.charCodeAt(i)) >>> 0;
  return hash % 36;
}

export function colourOfObject(object: LabelObject): string {
  if (colouring.value === "class") return classOf(object.class_id)?.colour ?? colourOf(0);
  return colourOf(lookOf(object));
}

export function hasPrompt(value: Draft | null): boolean {
  return !!value && (value.points.length > 0 || value.box !== null || value.mask !== null);
}
