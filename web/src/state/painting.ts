/** Brush and eraser: they change the mask at full size, and each stroke is a command. */
import type { Point } from "../api/types";
import { Bitmap } from "../masks/bitmap";
import { run } from "./commands";
import { decodeDraft, fullMask } from "./decoding";
import { editObject } from "./prompting";
import { announce, busy, failed, ready, whole } from "./status";
import { brushRadius, cleaning, draft, EMPTY, hasPrompt, objects, painted, pictureId, pictureSize, refined, selection } from "./store";

/** The mask that strokes go to: the painted one, else the prompt's mask at full size, else the selected object's, else an empty one. */
async function paper(): Promise<Bitmap | null> {
  if (painted.value) return painted.value.bitmap;
  const size = pictureSize.value;
  const id = pictureId.value;
  if (!size || id === null) return null;
  const value = draft.value;
  if (refined.value) return refined.value.bitmap.clone();
  if (hasPrompt(value)) {
    busy("Making the mask at full size…");
    return Bitmap.fromRle((await fullMask(id, value!)).mask);
  }
  const only = selection.value.size === 1 ? objects.value.find((object) => selection.value.has(object.id)) : undefined;
  if (only && !only.locked) {
    editObject(only);
    return painted.value!.bitmap;
  }
  return new Bitmap(size.height, size.width);
}

/** One stroke, from pointer down to pointer up. Places that come before the mask is there are painted when it is. */
export class Stroke {
  private readonly waiting: Point[] = [];
  private bitmap: Bitmap | null = null;
  private last: Point;
  private readonly ready: Promise<void>;

  constructor(
    start: Point,
    private readonly value: 0 | 1,
  ) {
    this.last = start;
    this.waiting.push(start);
    this.ready = this.begin();
  }

  private async begin(): Promise<void> {
    try {
      this.bitmap = await paper();
      this.flush();
    } catch (error) {
      failed(error);
    }
  }

  to(at: Point): void {
    this.waiting.push(at);
    this.flush();
  }

  private flush(): void {
    if (!this.bitmap) return;
    for (const at of this.waiting.splice(0)) {
      this.bitmap.stroke(...this.last, ...at, brushRadius.value, this.value);
      this.last = at;
    }
    painted.value = { bitmap: this.bitmap };
  }

  async end(): Promise<void> {
    await this.ready;
    if (this.bitmap) store(this.bitmap);
  }
}

/** Makes the painted mask the draft's, as a command. */
function store(bitmap: Bitmap): void {
  const area = bitmap.area();
  const edited = area ? bitmap.toRle() : null;
  const before = draft.value ?? EMPTY;
  const next = edited ? { ...before, edited } : null;
  draft.value = next;
  painted.value = next ? { bitmap } : null;
  void run({ type: "set_draft", draft: next });
  void decodeDraft();
  ready(edited ? `Painted mask: ${whole(area)} px. Enter accepts it.` : "The mask is empty.");
  announce(`Mask painted, ${whole(area)} px`);
}

/** Fills holes, drops specks, of the draft or else of the selected objects. */
export async function clean(what: "holes" | "specks"): Promise<void> {
  const limit = cleaning.value;
  const fill = what === "holes" ? limit : 0;
  const drop = what === "specks" ? limit : 0;
  if (!draft.value && selection.value.size) {
    await run({ type: "clean", ids: [...selection.value], fill_holes: fill, drop_specks: drop });
    ready(what === "holes" ? "Holes filled." : "Specks dropped.");
    return;
  }
  if (!draft.value) return;
  try {
    const bitmap = await paper();
    if (!bitmap) return;
    const changed = bitmap.clean(fill, drop);
    store(bitmap);
    ready(changed ? `${whole(changed)} px changed.` : `Nothing up to ${limit} px was found.`);
  } catch (error) {
    failed(error);
  }
}
