/** Every key of the page, once: what reacts to it and what the help and the buttons' titles say. */
import { actualSize, fitPicture, zoomBy } from "./stage/looking";
import { dropCorner, moveCursor, press } from "./stage/keyboard";
import { accept, dismiss, everything } from "./state/jobs";
import { clean } from "./state/painting";
import { finish, move } from "./state/pictures";
import { chooseClass, clearDraft, commit, editObject, pick, pickNext, redo, toggleHq, undo } from "./state/prompting";
import { run } from "./state/commands";
import { announce, note } from "./state/status";
import * as store from "./state/store";
import type { Tool } from "./state/store";

export interface Binding {
  /** As people read it. */
  keys: string;
  about: string;
  group: "Tools" | "Prompts" | "Masks" | "Objects" | "View" | "Pictures" | "Page";
  matches: (event: KeyboardEvent) => boolean;
  /** False leaves the key to the browser. */
  run: (event: KeyboardEvent) => boolean | void;
  /** Only where the stage has the focus. */
  onStage?: boolean;
}

const plain = (event: KeyboardEvent) => !event.ctrlKey && !event.metaKey && !event.altKey;
const letter = (key: string) => (event: KeyboardEvent) => plain(event) && !event.shiftKey && event.key.toLowerCase() === key;
const shifted = (key: string) => (event: KeyboardEvent) => plain(event) && event.shiftKey && event.key.toLowerCase() === key;
const exact = (key: string) => (event: KeyboardEvent) => plain(event) && event.key === key;
const control = (key: string, shift: boolean) => (event: KeyboardEvent) =>
  (event.ctrlKey || event.metaKey) && event.shiftKey === shift && event.key.toLowerCase() === key;
const digit = (event: KeyboardEvent) => (/^Digit[1-9]$/.test(event.code) ? Number(event.code.slice(5)) : 0);

export function chooseTool(tool: Tool): void {
  dropCorner();
  store.tool.value = tool;
  announce(`${tool} tool`);
}

const tool = (key: string, name: Tool, about: string): Binding => ({
  keys: key.toUpperCase(),
  about,
  group: "Tools",
  matches: letter(key),
  run: () => chooseTool(name),
});

function selected(): string[] {
  return [...store.selection.value];
}

/** Turns a property of the selected objects over, all to the same side. */
export function toggle(what: "hidden" | "locked", ids = selected()): void {
  if (!ids.length) return;
  const on = !store.objects.value.find(({ id }) => id === ids[0])?.[what];
  void run(what === "hidden" ? { type: "update", ids, hidden: on } : { type: "update", ids, locked: on });
  announce(`${ids.length === 1 ? "Object" : `${ids.length} objects`} ${on ? what : what === "hidden" ? "shown" : "unlocked"}`);
}

export function remove(ids = selected()): void {
  const open = ids.filter((id) => !store.objects.value.find((object) => object.id === id)?.locked);
  if (!open.length) {
    if (ids.length) note(`${ids.length === 1 ? "This object is" : "These objects are"} locked. Unlock with L, then delete.`);
    return;
  }
  void run({ type: "delete", ids: open });
  announce(`${open.length === 1 ? "Object" : `${open.length} objects`} deleted`);
}

export function resizeBrush(factor: number): void {
  const next = store.brushRadius.value * factor;
  store.brushRadius.value = Math.min(512, Math.max(0.5, factor > 1 ? Math.ceil(next) : next < 1 ? 0.5 : Math.floor(next)));
  announce(`Brush ${store.brushRadius.value * 2} px`);
}

export function focusField(id: string): void {
  document.getElementById(id)?.focus();
}

function chooseNumber(number: number): boolean {
  const row = store.classes.value[number - 1];
  if (!row) return false;
  chooseClass(row.id);
  return true;
}

function number(event: KeyboardEvent): boolean {
  const which = digit(event);
  const { value: answer } = store.decoded;
  if (answer && store.draft.value && !store.draft.value.edited && which <= answer.candidates.length) pick(which - 1);
  else return chooseNumber(which);
  return true;
}

function escape(): void {
  if (store.dialog.value) store.dialog.value = null;
  else if (!dropCorner()) {
    if (store.suggestions.value && !store.draft.value) dismiss();
    else clearDraft();
  }
}

const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export const BINDINGS: readonly Binding[] = [
  tool("p", "point", "Point tool: left click adds, right click or Alt subtracts, a drag draws a box; a click on a point removes it, a drag moves it"),
  tool("r", "box", "Box tool; Shift and drag draws a box with the scribble tool, too"),
  tool("s", "scribble", "Scribble tool: points along a stroke"),
  tool("b", "brush", "Brush; Shift draws a straight line from the last stroke"),
  tool("e", "eraser", "Eraser"),
  tool("v", "select", "Select tool: click an object; double click edits it"),
  { keys: "Q", about: "Switch what a plain click does: add or subtract", group: "Tools", matches: letter("q"), run: () => void (store.subtracting.value = !store.subtracting.value) },
  { keys: "[ ]", about: "Smaller or larger brush", group: "Tools", matches: (event) => event.key === "[" || event.key === "]", run: (event) => resizeBrush(event.key === "[" ? 1 / 1.25 : 1.25) },

  { keys: "Arrows", about: "Move the cursor on the picture; with Shift by 10 px, with Ctrl by 1 px", group: "Prompts", onStage: true, matches: (event) => event.key in ARROWS && !event.altKey, run: (event) => moveCursor(...ARROWS[event.key]!, event) },
  { keys: "Space", about: "At the cursor: add a point, set a corner of the box, paint", group: "Prompts", onStage: true, matches: () => false, run: () => undefined },
  { keys: "Backspace", about: "At the cursor: subtract a point", group: "Prompts", onStage: true, matches: exact("Backspace"), run: () => press(true) },
  { keys: "Enter", about: "Accept the mask as an object; with the select tool, edit the selected object", group: "Prompts", onStage: true, matches: (event) => exact("Enter")(event) && !event.shiftKey, run: () => accepted() },
  { keys: "N", about: "New object: accept the mask, if there is one, and begin the next", group: "Prompts", matches: letter("n"), run: () => void newObject() },
  { keys: "Esc", about: "Clear the prompt, or dismiss suggestions", group: "Prompts", matches: exact("Escape"), run: escape },
  { keys: "1 – 4", about: "Choose a candidate mask; without a prompt, the class", group: "Prompts", matches: (event) => plain(event) && !event.shiftKey && digit(event) > 0, run: number },
  { keys: "Tab", about: "Next candidate; after the last, Tab leaves the picture", group: "Prompts", onStage: true, matches: (event) => event.key === "Tab" && plain(event), run: (event) => pickNext(event.shiftKey ? -1 : 1) },
  { keys: "H", about: "HQ with SAM's mask, HQ alone, or HQ off", group: "Prompts", matches: letter("h"), run: toggleHq },

  { keys: "Shift+F", about: "Fill holes up to the set size", group: "Masks", matches: shifted("f"), run: () => void clean("holes") },
  { keys: "Shift+S", about: "Drop specks up to the set size", group: "Masks", matches: shifted("s"), run: () => void clean("specks") },
  { keys: "G", about: "Segment everything", group: "Masks", matches: letter("g"), run: everything },
  { keys: "Shift+Enter", about: "Accept all suggestions", group: "Masks", matches: (event) => event.key === "Enter" && event.shiftKey && plain(event), run: () => void accept(null) },
  { keys: "T", about: "Find objects by name", group: "Masks", matches: letter("t"), run: () => focusField("find") },

  { keys: "C", about: "Choose or make a class by typing", group: "Objects", matches: letter("c"), run: () => focusField("class") },
  { keys: "Shift+1 – 9", about: "Class of the selected objects, or of the next one", group: "Objects", matches: (event) => plain(event) && event.shiftKey && digit(event) > 0, run: (event) => chooseNumber(digit(event)) },
  { keys: "I", about: "Show or hide the selected objects", group: "Objects", matches: letter("i"), run: () => toggle("hidden") },
  { keys: "L", about: "Lock or unlock the selected objects", group: "Objects", matches: letter("l"), run: () => toggle("locked") },
  { keys: "Delete", about: "Delete the selected objects", group: "Objects", matches: exact("Delete"), run: () => remove() },
  { keys: "Ctrl+A", about: "Select all objects", group: "Objects", matches: control("a", false), run: () => void (store.selection.value = new Set(store.objects.value.map(({ id }) => id))) },
  { keys: "Ctrl+Z", about: "Undo", group: "Objects", matches: control("z", false), run: () => void undo() },
  { keys: "Ctrl+Shift+Z", about: "Redo (also Ctrl+Y)", group: "Objects", matches: (event) => control("z", true)(event) || control("y", false)(event), run: () => void redo() },

  { keys: "F", about: "Fit the picture", group: "View", matches: letter("f"), run: fitPicture },
  { keys: "0", about: "One to one", group: "View", matches: exact("0"), run: actualSize },
  { keys: "+ −", about: "Zoom; also the wheel or two fingers. Move with Space and drag, the middle button or two fingers", group: "View", matches: (event) => plain(event) && ["+", "=", "-"].includes(event.key), run: (event) => zoomBy(event.key === "-" ? 1 / 1.25 : 1.25) },
  { keys: "O", about: "Hold: outlines only", group: "View", matches: letter("o"), run: () => void (store.outlineOnly.value = true) },
  { keys: "X", about: "Hold: hide all masks", group: "View", matches: letter("x"), run: () => void (store.hideAll.value = true) },

  { keys: "A D", about: "Previous or next picture", group: "Pictures", matches: (event) => letter("a")(event) || letter("d")(event), run: (event) => move(event.key.toLowerCase() === "a" ? -1 : 1) },
  { keys: "M", about: "Mark the picture as done and open the next one that is to do", group: "Pictures", matches: letter("m"), run: () => void finish("done") },
  { keys: "Shift+M", about: "Skip the picture: it is not exported; open the next one that is to do", group: "Pictures", matches: shifted("m"), run: () => void finish("skip") },
  { keys: "?", about: "This list", group: "Page", matches: exact("?"), run: () => void (store.dialog.value = "help") },
];

function accepted(): void {
  const only = store.selection.value.size === 1 ? store.objects.value.find(({ id }) => store.selection.value.has(id)) : undefined;
  if (!store.draft.value && only && store.tool.value === "select") editObject(only);
  else void commit();
}

async function newObject(): Promise<void> {
  if (store.draft.value) await commit();
  store.selection.value = new Set();
}

/** Keys that are held show something only as long as they are. */
export function release(event: KeyboardEvent): void {
  const key = event.key.toLowerCase();
  if (key === "o") store.outlineOnly.value = false;
  if (key === "x") store.hideAll.value = false;
}

/** Runs what a key is for. Keys typed into fields are theirs, and dialogs hear only their own. */
export function handleKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const target = event.target as HTMLElement;
  const inField = target.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");
  if (inField || target.closest?.("dialog")) return;
  // A button on the stage is pressed with Enter, as everywhere.
  const onStage = target === document.body || (target.closest?.("[data-stage]") !== null && !target.closest?.("button"));
  const binding = BINDINGS.find((each) => (onStage || !each.onStage) && each.matches(event));
  if (!binding || (event.repeat && (binding.keys === "O" || binding.keys === "X"))) return;
  if (binding.run(event) !== false) event.preventDefault();
}

/** "Brush (B)": what a button says when the mouse rests on it. */
export function titled(text: string, keys: string): string {
  return `${text} (${keys})`;
}
