/** Colours and patterns of the slots of a label map. */
import type { LabelMap } from "../masks/labels";
import { COLOURS, PATTERNS, patternOf, pixel } from "../palette";
import * as store from "../state/store";
import { DARK, LIGHT, type Looks } from "./shade";

function empty(slots: number): Looks {
  return {
    fill: new Uint32Array(slots),
    line: new Uint32Array(slots),
    pattern: new Uint8Array(slots),
    strong: new Uint8Array(slots),
  };
}

export function labelLooks(map: LabelMap): Looks {
  const looks = empty(map.slots);
  const alpha = store.outlineOnly.peek() ? 0 : Math.round(store.opacity.peek() * 255);
  const selection = store.selection.peek();
  for (const object of store.shownObjects.peek()) {
    const slot = map.slotOf(object.id);
    const colour = store.colourOfObject(object);
    looks.fill[slot] = pixel(colour, alpha);
    looks.line[slot] = pixel(colour, 255);
    looks.pattern[slot] = PATTERNS.indexOf(patternOf(store.lookOf(object)));
    looks.strong[slot] = selection.has(object.id) ? 1 : 0;
  }
  return looks;
}

/** Suggestions are pale until the mouse is over one. */
export function suggestionLooks(map: LabelMap): Looks {
  const looks = empty(map.slots);
  const hovered = store.hoveredSuggestion.peek();
  for (const [index] of store.openSuggestions.peek()) {
    const slot = map.slotOf(String(index));
    const colour = COLOURS[index % COLOURS.length]!;
    looks.fill[slot] = pixel(colour, index === hovered ? 170 : 60);
    looks.line[slot] = index === hovered ? LIGHT : pixel(colour, 255);
    looks.pattern[slot] = 2;
    looks.strong[slot] = index === hovered ? 1 : 0;
  }
  return looks;
}

export function oneLook(fill: number, line: number, strong: boolean): Looks {
  const looks = empty(2);
  looks.fill[1] = fill;
  looks.line[1] = line || DARK;
  looks.strong[1] = strong ? 1 : 0;
  return looks;
}
