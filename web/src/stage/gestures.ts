/** Mouse, pen and touch on the stage, through Pointer Events: what a press, a drag, a wheel turn and two fingers do. */
import type { Point } from "../api/types";
import { hoverAt, stopHover } from "../state/decoding";
import { accept } from "../state/jobs";
import { Stroke } from "../state/painting";
import { addPoints, editObject, movePoint, removePoint, setBox } from "../state/prompting";
import { note } from "../state/status";
import * as store from "../state/store";
import { alongLine, CURSORS, handles, hoveredPoint, liveBox, livePoint, liveScribble, ordered, panning, resized } from "./live";
import type { Painter } from "./painter";
import { inside, kept, pan, smallest, toPicture, toScreen, zoomAt } from "./view";

const REACH = 12;
const FINGER_REACH = 22;
const STILL = 5;
/** A mouse that goes further than this does not click any more. */
const DRAG = 10;
const LONG_PRESS_MS = 500;
const HOVER_REST_MS = 60;
const HOVER_MOVE = 4;
const SCRIBBLE_POINTS = 6;

/** What one pointer does from press to release. */
interface Gesture {
  move(at: Point, event: PointerEvent): void;
  end(at: Point, event: PointerEvent): void;
  cancel(): void;
}

export class Gestures {
  spaceHeld = false;
  /** Whether space was used to move the picture: then its release is no click of the keyboard. */
  spaceUsed = false;
  private gesture: Gesture | null = null;
  private readonly touches = new Map<number, Point>();
  private hoverTimer = 0;
  private lastHover: Point = [-99, -99];
  private lastStrokeEnd: Point | null = null;
  private readonly controller = new AbortController();

  constructor(
    private readonly element: HTMLElement,
    private readonly painter: Painter,
  ) {
    const { signal } = this.controller;
    const on = <K extends keyof HTMLElementEventMap>(name: K, work: (event: HTMLElementEventMap[K]) => void, passive = true) =>
      element.addEventListener(name, work, { signal, passive });
    on("pointerdown", (event) => this.down(event), false);
    on("pointermove", (event) => this.moved(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.cancelled(event));
    on("pointerleave", () => this.left());
    on("wheel", (event) => this.wheel(event), false);
    on("contextmenu", (event) => event.preventDefault(), false);
    on("dblclick", (event) => this.doubleClick(event));
  }

  stop(): void {
    this.controller.abort();
    clearTimeout(this.hoverTimer);
  }

  private place(event: MouseEvent): Point {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private inPicture([sx, sy]: Point): Point {
    return toPicture(store.view.value, sx, sy);
  }

  private clamped(at: Point): Point {
    return inside(store.pictureSize.value!, ...this.inPicture(at));
  }

  private isOutside(at: Point): boolean {
    const size = store.pictureSize.value!;
    const [x, y] = this.inPicture(at);
    return x < 0 || y < 0 || x >= size.width || y >= size.height;
  }

  private down(event: PointerEvent): void {
    if (!store.pictureSize.value) return;
    const at = this.place(event);
    this.element.setPointerCapture(event.pointerId);
    stopHover();
    clearTimeout(this.hoverTimer);
    if (event.pointerType === "touch") {
      this.touches.set(event.pointerId, at);
      if (this.touches.size === 2) {
        this.gesture?.cancel();
        this.gesture = null;
        return;
      }
      if (this.touches.size > 2) return;
    }
    store.cursor.value = null;
    this.gesture = this.begin(at, event);
    if (event.button === 1) event.preventDefault();
  }

  private begin(at: Point, event: PointerEvent): Gesture | null {
    if (event.button === 1 || this.spaceHeld) {
      this.spaceUsed = true;
      return this.panGesture(at);
    }
    const point = this.pointAt(at, event);
    if (point !== null) return this.pointGesture(point, at);
    const handle = this.handleAt(at, event);
    if (handle !== null) return this.handleGesture(handle);
    const { value: tool } = store.tool;
    if (event.shiftKey && event.button === 0 && tool !== "brush" && tool !== "eraser" && tool !== "select") return this.boxGesture(at);
    if (this.painter.suggested && (tool === "point" || tool === "select")) {
      const index = this.suggestionAt(at);
      if (index !== null) return this.clickGesture(at, event, () => void accept([index]));
    }
    switch (tool) {
      case "box":
        return this.boxGesture(at);
      case "brush":
      case "eraser":
        return this.strokeGesture(at, event);
      case "scribble":
        return this.scribbleGesture(at, event);
      case "select":
        return this.clickGesture(at, event, (held) => this.select(at, held));
      default:
        return this.pointOrBox(at, event);
    }
  }

  private label(event: PointerEvent | null, long = false): 0 | 1 {
    const other = long || event?.button === 2 || event?.altKey === true;
    return other !== store.subtracting.value ? 0 : 1;
  }

  private click(at: Point, event: PointerEvent | null): void {
    if (this.isOutside(at)) return;
    addPoints([this.clamped(at)], this.label(event, event === null));
  }

  private select(at: Point, event: PointerEvent | null): void {
    const id = this.painter.labels?.idAt(...this.inPicture(at)) ?? null;
    const object = store.objects.value.find((each) => each.id === id);
    if (!object) store.selection.value = new Set();
    else if (event?.shiftKey || event?.ctrlKey || event?.metaKey) {
      const next = new Set(store.selection.value);
      if (!next.delete(object.id)) next.add(object.id);
      store.selection.value = next;
    } else store.selection.value = new Set([object.id]);
  }

  private doubleClick(event: MouseEvent): void {
    if (store.tool.value !== "select") return;
    const id = this.painter.labels?.idAt(...this.inPicture(this.place(event)));
    const object = store.objects.value.find((each) => each.id === id);
    if (object) editObject(object);
  }

  private suggestionAt(at: Point): number | null {
    const id = this.painter.suggested?.idAt(...this.inPicture(at));
    return id === null || id === undefined ? null : Number(id);
  }

  private reach(event: PointerEvent): number {
    return event.pointerType === "touch" ? FINGER_REACH : REACH;
  }

  private pointAt(at: Point, event: PointerEvent): number | null {
    return nearest(at, store.draft.value?.points ?? [], this.reach(event));
  }

  private handleAt(at: Point, event: PointerEvent): number | null {
    const box = store.draft.value?.box;
    return box ? nearest(at, handles(box), this.reach(event) - 2) : null;
  }

  private panGesture(start: Point): Gesture {
    let last = start;
    panning.value = true;
    const done = () => {
      panning.value = false;
    };
    return {
      move: (at) => {
        this.look(pan(store.view.value, at[0] - last[0], at[1] - last[1]));
        last = at;
      },
      end: done,
      cancel: done,
    };
  }

  /** A click; with the point tool a drag is a box, as a single click is meant by no one who drags. */
  private pointOrBox(start: Point, press: PointerEvent): Gesture {
    const click = this.clickGesture(start, press, (held) => this.click(start, held));
    if (press.pointerType === "touch" || press.button !== 0) return click;
    let box: Gesture | null = null;
    return {
      move: (at, event) => {
        if (!box && distance(at, start) > DRAG) box = this.boxGesture(start);
        box?.move(at, event);
      },
      end: (at, event) => (box ?? click).end(at, event),
      cancel: () => (box ?? click).cancel(),
    };
  }

  /** A click; a finger that moves pans, a finger that rests subtracts. `act` gets the press, or null after a rest. */
  private clickGesture(start: Point, press: PointerEvent, act: (press: PointerEvent | null) => void): Gesture {
    const touch = press.pointerType === "touch";
    let panned: Gesture | null = null;
    let done = false;
    const timer = touch
      ? window.setTimeout(() => {
          done = true;
          act(null);
        }, LONG_PRESS_MS)
      : 0;
    return {
      move: (at, event) => {
        if (!touch || done) return;
        if (!panned && distance(at, start) > 2 * STILL) {
          clearTimeout(timer);
          panned = this.panGesture(start);
        }
        panned?.move(at, event);
      },
      end: (at, event) => {
        clearTimeout(timer);
        if (panned) panned.end(at, event);
        else if (!done && distance(at, start) <= (touch ? 2 * STILL : DRAG)) act(press);
      },
      cancel: () => {
        clearTimeout(timer);
        panned?.cancel();
      },
    };
  }

  private pointGesture(index: number, start: Point): Gesture {
    return {
      move: (at) => {
        if (livePoint.value || distance(at, start) > STILL) livePoint.value = { index, at: this.clamped(at) };
      },
      end: () => {
        const moved = livePoint.value;
        livePoint.value = null;
        if (moved) movePoint(index, moved.at);
        else removePoint(index);
        hoveredPoint.value = null;
      },
      cancel: () => {
        livePoint.value = null;
      },
    };
  }

  private boxGesture(start: Point): Gesture {
    const from = this.clamped(start);
    return {
      move: (at) => {
        liveBox.value = ordered([...from, ...this.clamped(at)]);
      },
      end: (at) => {
        liveBox.value = null;
        const [x, y] = this.clamped(at);
        if (distance(at, start) > STILL && x !== from[0] && y !== from[1]) setBox(ordered([...from, x, y]));
        else if (store.tool.value === "box") note("Drag from one corner of the object to the opposite one.");
      },
      cancel: () => {
        liveBox.value = null;
      },
    };
  }

  private handleGesture(handle: number): Gesture {
    const box = store.draft.value!.box!;
    return {
      move: (at) => {
        liveBox.value = resized(box, handle, this.clamped(at));
      },
      end: () => {
        const next = liveBox.value;
        liveBox.value = null;
        if (next && next[2] > next[0] && next[3] > next[1]) setBox(next);
      },
      cancel: () => {
        liveBox.value = null;
      },
    };
  }

  private scribbleGesture(start: Point, press: PointerEvent): Gesture {
    const label = this.label(press);
    const line = [this.clamped(start)];
    liveScribble.value = { points: line, label };
    return {
      move: (at) => {
        line.push(this.clamped(at));
        liveScribble.value = { points: [...line], label };
      },
      end: () => {
        liveScribble.value = null;
        addPoints(alongLine(line, SCRIBBLE_POINTS, 24 / store.view.value.scale), label);
      },
      cancel: () => {
        liveScribble.value = null;
      },
    };
  }

  /** Shift at the press draws a straight line from where the last stroke ended. */
  private strokeGesture(start: Point, press: PointerEvent): Gesture {
    const erase = (store.tool.value === "eraser") !== (press.button === 2 || press.altKey);
    const first = this.inPicture(start);
    const stroke = new Stroke(press.shiftKey && this.lastStrokeEnd ? this.lastStrokeEnd : first, erase ? 0 : 1);
    if (press.shiftKey) stroke.to(first);
    const finish = () => void stroke.end();
    return {
      move: (at, event) => {
        for (const each of event.getCoalescedEvents?.() ?? [event]) stroke.to(this.inPicture(this.place(each)));
        if (at) this.lastStrokeEnd = this.inPicture(at);
      },
      end: (at) => {
        this.lastStrokeEnd = this.inPicture(at);
        finish();
      },
      cancel: finish,
    };
  }

  private moved(event: PointerEvent): void {
    if (!store.pictureSize.value) return;
    const at = this.place(event);
    if (event.pointerType === "touch") {
      if (this.touches.size === 2 && this.touches.has(event.pointerId)) {
        this.pinch(event.pointerId, at);
        return;
      }
    } else {
      store.pointer.value = this.isOutside(at) ? null : this.inPicture(at);
      if (event.movementX || event.movementY) store.cursor.value = null;
    }
    if (this.gesture) this.gesture.move(at, event);
    else if (event.pointerType !== "touch") this.hover(at, event);
  }

  private hover(at: Point, event: PointerEvent): void {
    hoveredPoint.value = this.pointAt(at, event);
    const handle = this.handleAt(at, event);
    this.element.dataset["cursor"] = hoveredPoint.value !== null ? "grab" : handle !== null ? CURSORS[handle]! : "";
    store.hoveredSuggestion.value = this.suggestionAt(at);
    if (!this.wantsPreview(at)) {
      stopHover();
      clearTimeout(this.hoverTimer);
      return;
    }
    if (distance(at, this.lastHover) >= HOVER_MOVE) {
      this.lastHover = at;
      clearTimeout(this.hoverTimer);
      hoverAt(this.clamped(at));
    } else {
      clearTimeout(this.hoverTimer);
      this.hoverTimer = window.setTimeout(() => hoverAt(this.clamped(at)), HOVER_REST_MS);
    }
  }

  private wantsPreview(at: Point): boolean {
    return (
      store.tool.value === "point" &&
      !store.draft.value &&
      !this.painter.suggested &&
      !store.hoverPaused.value &&
      store.previews.value !== "never" &&
      !store.encoding.value &&
      !this.isOutside(at)
    );
  }

  private up(event: PointerEvent): void {
    const pinched = this.touches.size >= 2;
    this.touches.delete(event.pointerId);
    if (pinched) return;
    const gesture = this.gesture;
    this.gesture = null;
    gesture?.end(this.place(event), event);
  }

  private cancelled(event: PointerEvent): void {
    this.touches.delete(event.pointerId);
    this.gesture?.cancel();
    this.gesture = null;
  }

  private left(): void {
    if (this.gesture) return;
    store.pointer.value = null;
    store.hoveredSuggestion.value = null;
    clearTimeout(this.hoverTimer);
    stopHover();
  }

  private pinch(id: number, at: Point): void {
    const other = [...this.touches].find(([key]) => key !== id)![1];
    const before = this.touches.get(id)!;
    this.touches.set(id, at);
    const factor = distance(at, other) / Math.max(1, distance(before, other));
    const middle: Point = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    const moved = pan(store.view.value, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.look(zoomAt(moved, factor, ...middle, this.least()));
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    if (!store.pictureSize.value) return;
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
    const factor = Math.exp(-Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.0022));
    this.look(zoomAt(store.view.value, factor, ...this.place(event), this.least()));
  }

  private least(): number {
    return smallest(store.pictureSize.value!, store.stageSize.value);
  }

  private look(view: typeof store.view.value): void {
    store.view.value = kept(view, store.pictureSize.value!, store.stageSize.value);
  }
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

/** Which of these picture places is nearest to a place of the screen, within reach. */
function nearest(at: Point, places: readonly Point[], reach: number): number | null {
  let best: number | null = null;
  let least = reach;
  places.forEach((place, i) => {
    const away = distance(at, toScreen(store.view.value, ...place));
    if (away <= least) {
      least = away;
      best = i;
    }
  });
  return best;
}
