/** Prompts to masks: what is asked of the server's decoder, and which answers still count. */
import { ask, askJson, PAGE, ServerError } from "../api/client";
import { parseDecoded, type Decoded } from "../api/decoded";
import type { Draft, Point, Rle } from "../api/types";
import { Bitmap } from "../masks/bitmap";
import { announce, busy, failed, ready, whole } from "./status";
import { decoded, draft, EMPTY, hasPrompt, hq, info, isSlow, pictureId, preview, refined, times } from "./store";

export interface FullMask {
  mask: Rle;
  area: number;
  iou: number;
}

/** Above this median, hover previews would lag behind the mouse. */
export const SLOW_MS = 150;
let seq = 0;
let wanted = 0;
const recent: number[] = [];

function prompt(value: Draft): Record<string, unknown> {
  const { points, labels, box, mask } = value;
  return { points, labels, box, mask, hq: info.value?.model.hq ? (value.hq ?? hq.value) : null };
}

interface Timed {
  answer: Decoded;
  began: number;
  arrived: number;
}

async function decode(id: number, value: Draft, kind: "hover" | "prompt"): Promise<Timed> {
  const began = performance.now();
  const json = { ...prompt(value), seq: ++seq, client: PAGE, kind };
  const response = await ask(`/images/${id}/decode`, { json, patient: kind === "prompt" });
  const bytes = await response.arrayBuffer();
  const arrived = performance.now();
  return { answer: parseDecoded(bytes), began, arrived };
}

/** Called when the mask is on the canvas: what the labeller waited for beyond decoding, on the way and in the page. */
function measure({ answer, began, arrived }: Timed): void {
  recent.push(answer.decodeMs);
  if (recent.length > 9) recent.shift();
  const way = Math.max(0, arrived - began - answer.decodeMs - answer.waitMs);
  times.value = { ...times.value, decode: answer.decodeMs, way, paint: performance.now() - arrived };
  const median = [...recent].sort((a, b) => a - b)[recent.length >> 1]!;
  isSlow.value = recent.length >= 3 && median > SLOW_MS;
}

/** Decodes the draft's prompt, and shows its mask once the draft is `stored`. Answers of older drafts are dropped. */
export async function decodeDraft(stored: Promise<unknown> | null = null): Promise<void> {
  const id = pictureId.value;
  const value = draft.value;
  const turn = ++wanted;
  stopHover();
  refined.value = null;
  if (id === null || !value || value.edited || !hasPrompt(value)) {
    decoded.value = null;
    return;
  }
  busy("Decoding…");
  try {
    const [timed, delta] = await Promise.all([decode(id, value, "prompt"), stored]);
    if (turn !== wanted || id !== pictureId.value) return;
    decoded.value = timed.answer;
    measure(timed);
    // A prompt that was not stored is not ready: the sentence that says so stays.
    if (stored && !delta) return;
    await refine(id, value, turn, timed.answer);
  } catch (error) {
    if (turn !== wanted || (error instanceof ServerError && error.code === "superseded")) return;
    decoded.value = null;
    failed(error);
  }
}

/** Where the server looks a second time at what is committed, that mask is shown, so that what is seen is what is stored. */
async function refine(id: number, value: Draft, turn: number, answer: Decoded): Promise<void> {
  if (value.box && value.candidate === null && info.value?.model.refines_boxes) {
    busy("Looking at the edges a second time…");
    const full = await fullMask(id, value);
    if (turn !== wanted || id !== pictureId.value) return;
    refined.value = { ...full, bitmap: Bitmap.fromRle(full.mask) };
    ready(`Mask ready: ${whole(full.area)} px, predicted IoU ${full.iou.toFixed(2)}. Enter accepts it.`);
    announce(`Mask updated, ${whole(full.area)} px, IoU ${full.iou.toFixed(2)}`);
    return;
  }
  const candidate = chosenCandidate(answer, value);
  const iou = answer.candidates[candidate]?.iou ?? 0;
  ready(`Mask ready, predicted IoU ${iou.toFixed(2)}. Enter accepts it.`);
}

/** The mask that a commit of this draft would store, at full size. */
export async function fullMask(id: number, value: Draft): Promise<FullMask> {
  return askJson<FullMask>(`/images/${id}/mask`, { json: { ...prompt(value), candidate: value.candidate, refine: null }, patient: true });
}

/** Which candidate is shown: the one picked by name where there is one, else the server's choice. */
export function chosenCandidate(answer: Decoded, value: Draft | null): number {
  const picked = answer.candidates.findIndex(({ name }) => name === value?.candidate);
  return picked === -1 ? answer.chosen : picked;
}

let hovering: Point | null = null;
let inFlight = false;

export function stopHover(): void {
  hovering = null;
  preview.value = null;
}

/** Shows what a click here would select. One request is on its way; of the places that come meanwhile the last counts. */
export function hoverAt(at: Point): void {
  hovering = at;
  if (!inFlight) void followHover();
}

async function followHover(): Promise<void> {
  inFlight = true;
  try {
    while (hovering && pictureId.value !== null) {
      const at = hovering;
      const id = pictureId.value;
      const timed = await decode(id, { ...EMPTY, points: [at], labels: [1] }, "hover");
      if (!hovering || id !== pictureId.value) return;
      preview.value = { at, decoded: timed.answer };
      measure(timed);
      if (hovering === at) return;
    }
  } catch (error) {
    if (!(error instanceof ServerError) || (error.code !== "superseded" && error.code !== "busy")) failed(error);
  } finally {
    inFlight = false;
  }
}

