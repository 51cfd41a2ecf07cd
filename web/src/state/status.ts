/** The status line, and what screen readers are told. */
import { computed } from "@preact/signals";
import { reachable, ServerError } from "../api/client";
import { announcement, status, type Status } from "./store";

const AWAY: Status = {
  kind: "error",
  text: "The server does not answer. Is `samhq serve` still running? What you do now is kept on this page and sent when it is back.",
};

/** The status line's sentence. */
export const shownStatus = computed(() => (reachable.value ? status.value : AWAY));

export function ready(text = "Ready"): void {
  status.value = { kind: "ready", text };
}

export function busy(text: string): void {
  status.value = { kind: "busy", text };
}

export function note(text: string): void {
  status.value = { kind: "note", text };
  announce(text);
}

export function announce(text: string): void {
  // The same sentence twice is read twice only where the text differs.
  announcement.value = announcement.value === text ? `${text}\u00a0` : text;
}

export function failed(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  status.value = { kind: "error", text };
  announce(text);
  if (!(error instanceof ServerError)) console.error(error);
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
