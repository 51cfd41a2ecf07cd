/** Whole-image masks and finding by name: jobs on the server, and suggestions to accept. */
import { ask, askEvents, askJson } from "../api/client";
import type { Job, Suggestion } from "../api/types";
import { refreshClasses, run } from "./commands";
import { announce, busy, counted, failed, note, ready } from "./status";
import { classId, density, hoveredSuggestion, job, leastScore, openSuggestions, overlap, pictureId, suggestions } from "./store";

let controller = new AbortController();

/** Whole-image masks of the open picture. */
export function everything(): void {
  void start("everything", { points_per_side: density.value });
}

export async function start(kind: "everything" | "text", settings: Record<string, unknown>): Promise<void> {
  const id = pictureId.value;
  if (id === null) return;
  if (job.value) await cancel();
  dismiss();
  controller = new AbortController();
  const { signal } = controller;
  busy(kind === "everything" ? "Segmenting everything…" : "Finding objects by name…");
  try {
    const made = await askJson<Job>("/jobs", { json: { kind, image_id: id, settings } });
    job.value = { id: made.id, kind, done: 0, total: made.total };
    await follow(made.id, kind, signal);
  } catch (error) {
    if (!signal.aborted) failed(error);
  } finally {
    if (!signal.aborted) job.value = null;
  }
}

async function follow(id: string, kind: string, signal: AbortSignal): Promise<void> {
  for await (const event of askEvents(`/jobs/${id}/events`, { signal })) {
    if (signal.aborted) return;
    if (event.name === "progress") {
      const { done, total } = event.data as { done: number; total: number | null };
      job.value = { id, kind, done, total };
    } else if (event.name === "result") {
      take(id, kind, (event.data as { objects: Suggestion[] }).objects);
      return;
    }
  }
}

function take(jobId: string, kind: string, items: Suggestion[]): void {
  leastScore.value = 0;
  suggestions.value = { jobId, kind, items, taken: new Set() };
  if (items.length) ready(`${counted(items.length, "suggestion")}. ${items.length === 1 ? "Click it to accept it." : "Click one to accept it, or accept all."}`);
  else ready("Nothing was found.");
  announce(counted(items.length, "suggestion"));
}

/** Stops the running job. */
export async function cancel(): Promise<void> {
  const running = job.value;
  controller.abort();
  job.value = null;
  if (!running) return;
  try {
    await ask(`/jobs/${running.id}`, { method: "DELETE" });
    note("The job was stopped.");
  } catch (error) {
    failed(error);
  }
}

/** Takes the suggestions from the page; a job that runs for another picture is left. */
export function dismiss(): void {
  if (job.value) void cancel();
  if (suggestions.value) ready();
  suggestions.value = null;
  hoveredSuggestion.value = null;
}

/** Stores suggestions as objects: these, or all that are shown. */
export async function accept(indices: number[] | null): Promise<void> {
  const all = suggestions.value;
  if (!all) return;
  const chosen = indices ?? openSuggestions.value.map(([index]) => index);
  if (!chosen.length) return;
  const named = chosen.every((index) => all.items[index]?.label);
  busy(`Accepting ${chosen.length} ${chosen.length === 1 ? "mask" : "masks"}…`);
  const delta = await run({
    type: "commit_many",
    job_id: all.jobId,
    indices: chosen,
    overlap: overlap.value,
    ...(named || classId.value === null ? {} : { class_id: classId.value }),
  });
  if (!delta) return;
  if (named) await refreshClasses();
  const taken = new Set([...(suggestions.value?.taken ?? []), ...chosen]);
  const left = all.items.length - taken.size;
  suggestions.value = left ? { ...all, taken } : null;
  hoveredSuggestion.value = null;
  ready(`${chosen.length} accepted, ${left ? counted(left, "suggestion") : "no suggestion"} left.`);
  announce(`${chosen.length} accepted`);
}
