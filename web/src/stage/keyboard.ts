/** The cursor that arrow keys move: every prompt can be given without a mouse. */
import type { Point } from "../api/types";
import { Stroke } from "../state/painting";
import { addPoints, setBox } from "../state/prompting";
import { announce, whole } from "../state/status";
import * as store from "../state/store";
import { liveBox, ordered } from "./live";
import { show } from "./looking";
import { inside, toPicture } from "./view";

let corner: Point | null = null;

/** Puts the cursor in the middle of what is shown. */
export function placeCursor(): Point | null {
  const size = store.pictureSize.value;
  if (!size) return null;
  const { width, height } = store.stageSize.value;
  store.cursor.value ??= inside(size, ...(toPicture(store.view.value, width / 2, height / 2).map((side) => Math.floor(side) + 0.5) as Point));
  return store.cursor.value;
}

/** The step of an arrow key, in pixels of the picture: a fiftieth of the longer side; Shift 10, Ctrl 1. */
export function stepOf(event: { shiftKey: boolean; ctrlKey: boolean }, size: { width: number; height: number }): number {
  if (event.ctrlKey) return 1;
  return event.shiftKey ? 10 : Math.max(2, Math.round(Math.max(size.width, size.height) / 50));
}

export function moveCursor(dx: number, dy: number, event: KeyboardEvent): void {
  const size = store.pictureSize.value;
  if (!size) return;
  if (!store.cursor.value) {
    const at = placeCursor()!;
    announce(`Cursor at ${whole(at[0])}, ${whole(at[1])}`);
    return;
  }
  const step = stepOf(event, size);
  const [x, y] = store.cursor.value;
  const at = inside(size, x + dx * step, y + dy * step);
  store.cursor.value = at;
  store.pointer.value = null;
  if (corner) liveBox.value = ordered([...corner, ...at]);
  show(...at);
  announce(`${whole(at[0])}, ${whole(at[1])}`);
}

/** What Space (or Backspace, `subtract`) does at the cursor, by tool. */
export function press(subtract: boolean): void {
  const at = store.cursor.value;
  if (!at) {
    const placed = placeCursor();
    if (placed) announce(`Cursor at ${whole(placed[0])}, ${whole(placed[1])}. Space adds a point here.`);
    return;
  }
  switch (store.tool.value) {
    case "box":
      boxCorner(at);
      break;
    case "brush":
    case "eraser": {
      const erase = (store.tool.value === "eraser") !== subtract;
      void new Stroke(at, erase ? 0 : 1).end();
      break;
    }
    default:
      addPoints([at], subtract !== store.subtracting.value ? 0 : 1);
  }
}

function boxCorner(at: Point): void {
  if (!corner) {
    corner = at;
    announce("First corner of the box. Move to the opposite corner and press Space.");
    return;
  }
  const box = ordered([...corner, ...at]);
  dropCorner();
  if (box[2] > box[0] && box[3] > box[1]) setBox(box);
  else announce("The box has no area.");
}

/** Forgets a box that was begun; true where there was one. */
export function dropCorner(): boolean {
  const begun = corner !== null;
  corner = null;
  liveBox.value = null;
  return begun;
}
