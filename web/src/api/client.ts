/** Requests to the server: the token, errors as sentences, waiting where the server says so, or until it is back. */
import { signal as preactSignal } from "@preact/signals";
import { readEvents, type ServerEvent } from "./events";

const BASE = "/api/v1";
const ATTEMPTS = 4;
/** Browsers refuse longer bodies of requests that go on when the page is closed. */
const MOST_OUTLIVING = 60_000;
const KNOCK_MS = 1000;

/** What the server calls this page by. Two tabs are two pages. */
export const PAGE = `tab-${Math.random().toString(36).slice(2, 10)}`;
/** Whether the server answered when it was asked last. */
export const reachable = preactSignal(true);
/** How often the connection was lost: a request that was under way then may have been done or not. */
export let losses = 0;

/** An answer that is an error: `code` is the server's word for it, the message is for people. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

let token = "";

/** The token is the part behind `#t=`. It is kept for this tab, so that a reload works, and leaves the address bar. */
export function takeToken(): void {
  const asked = new URLSearchParams(location.hash.slice(1));
  const given = asked.get("t");
  if (given) {
    sessionStorage.setItem("samhq-token", given);
    asked.delete("t");
    history.replaceState(null, "", `#${asked}`);
  }
  token = sessionStorage.getItem("samhq-token") ?? "";
}

export interface Ask {
  method?: string;
  json?: unknown;
  bytes?: Blob;
  signal?: AbortSignal;
  /** The request goes on when the page is closed, if its body is short. */
  outlives?: boolean;
  /** The request is sent again when a server that does not answer is back. */
  patient?: boolean;
}

/** The server's answer, once it is a good one. 429 and 503 are asked again after the time the server names. */
export async function ask(path: string, { method, json, bytes, signal, outlives, patient }: Ask = {}): Promise<Response> {
  const headers: Record<string, string> = { "X-Samhq-Token": token };
  const init: RequestInit = { method: method ?? (json === undefined && !bytes ? "GET" : "POST"), headers };
  if (json !== undefined) {
    const text = JSON.stringify(json);
    headers["Content-Type"] = "application/json";
    init.body = text;
    // Names of classes and the like may take more than a byte a sign.
    outlives &&= 3 * text.length < MOST_OUTLIVING;
  } else if (bytes) {
    headers["Content-Type"] = "application/octet-stream";
    init.body = bytes;
  }
  if (signal) init.signal = signal;
  if (outlives) init.keepalive = true;
  for (let attempt = 1; ; attempt++) {
    const response = patient ? await reachAtLast(path, init) : await reach(path, init);
    if (response.ok) return response;
    if ((response.status === 429 || response.status === 503) && attempt < ATTEMPTS) {
      const seconds = Number(response.headers.get("Retry-After") ?? "1") || 1;
      await new Promise((resume) => setTimeout(resume, Math.min(seconds, 5) * 1000));
      continue;
    }
    throw await asError(response);
  }
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(BASE + path, init);
  } catch (error) {
    throw lost(error);
  }
}

async function reachAtLast(path: string, init: RequestInit): Promise<Response> {
  for (;;) {
    try {
      return await reach(path, init);
    } catch (error) {
      if (!isLost(error)) throw error;
      await reconnected();
      init.signal?.throwIfAborted();
    }
  }
}

/** The error of a request that got no answer; from now on the page looks for the server. */
function lost(error: unknown): unknown {
  if (error instanceof DOMException && error.name === "AbortError") return error;
  losses += 1;
  void reconnected();
  return new ServerError(0, "unreachable", "The server does not answer. Is `samhq serve` still running?");
}

export function isLost(error: unknown): boolean {
  return error instanceof ServerError && error.status === 0;
}

let knocking: Promise<void> | null = null;

/** Resolves when the server answers again. */
export function reconnected(): Promise<void> {
  reachable.value = false;
  knocking ??= knock().finally(() => (knocking = null));
  return knocking;
}

async function knock(): Promise<void> {
  for (;;) {
    await new Promise((resume) => setTimeout(resume, KNOCK_MS));
    if (await fetch(`${BASE}/health`).then(({ ok }) => ok, () => false)) break;
  }
  await greeted();
  reachable.value = true;
}

let greeted: () => Promise<void> = () => Promise.resolve();

/** What to do when the server is back, before anything else is sent to it. */
export function whenBack(work: () => Promise<void>): void {
  greeted = work;
}

async function asError(response: Response): Promise<ServerError> {
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return new ServerError(response.status, error.code, error.message);
  } catch {
    return new ServerError(response.status, "unknown", `The server answered with status ${response.status}.`);
  }
}

export async function askJson<T>(path: string, options: Ask = {}): Promise<T> {
  return (await (await ask(path, options)).json()) as T;
}

/** The events of a stream, one by one. An `error` event is thrown. */
export async function* askEvents(path: string, options: Ask = {}): AsyncGenerator<ServerEvent> {
  const response = await ask(path, options);
  for await (const event of whole(readEvents(response.body!))) {
    if (event.name === "error") {
      const { code, message } = event.data as { code: string; message: string };
      throw new ServerError(200, code, message);
    }
    yield event;
  }
}

/** Events of a stream; one that breaks off is a server that does not answer. */
async function* whole(events: AsyncGenerator<ServerEvent>): AsyncGenerator<ServerEvent> {
  try {
    yield* events;
  } catch (error) {
    throw error instanceof TypeError ? lost(error) : error;
  }
}
