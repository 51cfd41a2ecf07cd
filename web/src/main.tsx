/** The start of the page: the token, what the server is, its pictures, and the one that was open last. */
import { effect } from "@preact/signals";
import { render } from "preact";
import { askJson, isLost, takeToken, whenBack } from "./api/client";
import type { Info } from "./api/types";
import { handleKey, release } from "./keys";
import { holdBack, refreshClasses, startOver, unanswered } from "./state/commands";
import { open, refreshPictures } from "./state/pictures";
import { beat, leave, takeNext } from "./state/presence";
import { busy, failed, ready, shownStatus } from "./state/status";
import * as store from "./state/store";
import { refreshTraining } from "./state/training";
import "./style/page.css";
import { App } from "./ui/App";
import { applyTheme } from "./ui/theme";

const PATIENCE_MS = 1000;

async function begin(): Promise<void> {
  takeToken();
  whenBack(checkProject);
  applyTheme();
  render(<App />, document.getElementById("page")!);
  window.addEventListener("keydown", handleKey);
  window.addEventListener("keyup", release);
  window.addEventListener("beforeunload", holdBack);
  window.addEventListener("pagehide", leave);
  window.addEventListener("focus", () => void beat());
  try {
    store.info.value = await askJson<Info>("/info");
    await Promise.all([refreshClasses(), refreshPictures(), refreshTraining()]);
    takeClass();
    await openFirst();
    if (!store.info.value.model.ready) await waitForModel();
  } catch (error) {
    failed(error);
  }
}

/** A server at the same address may have another project: its pictures have the same numbers. */
async function checkProject(): Promise<void> {
  const before = store.info.value;
  if (!before) return;
  try {
    const { created } = await askJson<Info>("/info");
    if (created !== before.created) await startOver();
  } catch (error) {
    // Another token: every request is refused and says so. Gone again: the next request finds out.
    if (!isLost(error)) failed(error);
  }
}

/** The class that was chosen last, where this project has it, else the first; later choices are kept for the next visit. */
function takeClass(): void {
  const rows = store.classes.value;
  store.classId.value = (rows.find(({ id }) => id === store.lastClass.value) ?? rows[0])?.id ?? null;
  effect(() => {
    store.lastClass.value = store.classId.value ?? 0;
  });
}

/** The picture that the address names (`#image=3`), else the first that is not done and that nobody else has open. */
async function openFirst(): Promise<void> {
  const last = Number(new URLSearchParams(location.hash.slice(1)).get("image"));
  const rows = store.pictures.value;
  const row = rows.find(({ id }) => id === last) ?? (await takeNext()) ?? rows[0];
  if (row) await open(row.id);
  else ready("No pictures here yet. Drop some on the page.");
}

async function waitForModel(): Promise<void> {
  for (;;) {
    const { model } = (store.info.value = await askJson<Info>("/info"));
    if (model.error) throw new Error(model.error);
    if (model.ready) return;
    busy(`Loading ${model.name}…`);
    await new Promise((resume) => setTimeout(resume, PATIENCE_MS));
  }
}

declare global {
  interface Window {
    /** For tests and for the curious: what the page knows, as plain values. */
    samhq: { state: () => unknown; waiting: () => number };
  }
}

window.samhq = {
  waiting: () => unanswered.value,
  state: () => ({
    picture: store.picture.value,
    tool: store.tool.value,
    view: store.view.value,
    stage: store.stageSize.value,
    draft: store.draft.value,
    candidates: store.decoded.value?.candidates ?? null,
    refined: store.refined.value && { area: store.refined.value.area, iou: store.refined.value.iou },
    preview: store.preview.value?.at ?? null,
    objects: store.objects.value,
    selection: [...store.selection.value],
    history: store.history.value,
    suggestions: store.suggestions.value && store.openSuggestions.value.length,
    job: store.job.value,
    training: store.training.value,
    models: store.models.value,
    status: shownStatus.value,
    times: store.times.value,
    encoding: store.encoding.value,
    cursor: store.cursor.value,
    announcement: store.announcement.value,
  }),
};

void begin();
