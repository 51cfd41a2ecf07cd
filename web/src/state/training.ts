/** Training on what was labelled, and the models to label with. */
import { ask, askEvents, askJson } from "../api/client";
import type { Info, Model, TrainingData, TrainingRequest, TrainingRun } from "../api/types";
import { open } from "./pictures";
import { announce, busy, counted, failed, note, ready } from "./status";
import { info, models, pictureId, pictures, training } from "./store";

export interface Prepared {
  command: string;
  images: number;
  objects: number;
}

/** The name of a folder that every system takes, as the server checks it. */
export const NAME = "[A-Za-z0-9][A-Za-z0-9 _\\-]{0,59}";

export const isLearning = (run: TrainingRun | null): boolean => run?.state === "running" || run?.state === "stopping";

/** What there is to train on, with these classes chosen; null chooses all. */
export async function trainingData(classes: readonly number[] | null): Promise<TrainingData | null> {
  const asked = new URLSearchParams((classes ?? []).map((id) => ["class_id", String(id)]));
  try {
    return await askJson<TrainingData>(`/training?${asked}`);
  } catch (error) {
    failed(error);
    return null;
  }
}

/** Writes the data set; the answer has the command that trains on it. */
export async function writeData(request: TrainingRequest): Promise<Prepared | null> {
  busy("Writing the data set…");
  try {
    const made = await askJson<Prepared>("/training", { json: request });
    ready(`The data set is written: ${counted(made.objects, "object")} on ${counted(made.images, "picture")}.`);
    return made;
  } catch (error) {
    failed(error);
    return null;
  }
}

export async function startTraining(request: TrainingRequest): Promise<void> {
  busy("Starting the training…");
  try {
    training.value = await askJson<TrainingRun>("/training/run", { json: request });
    ready("The model is being trained. You can go on labelling.");
    announce("Training started");
    void follow();
  } catch (error) {
    failed(error);
  }
}

export async function stopTraining(): Promise<void> {
  try {
    await ask("/training/run", { method: "DELETE" });
  } catch (error) {
    failed(error);
  }
}

/** The models and the newest run, as the server has them. A run that is under way is followed. */
export async function refreshTraining(): Promise<void> {
  await refreshModels();
  const run = await askJson<TrainingRun>("/training/run");
  training.value = run.state === "none" ? null : run;
  if (isLearning(run)) void follow();
}

async function refreshModels(): Promise<void> {
  models.value = (await askJson<{ models: Model[] }>("/models")).models;
}

async function follow(): Promise<void> {
  try {
    for await (const event of askEvents("/training/run/events")) training.value = event.data as TrainingRun;
    await refreshModels();
    const run = training.value;
    if (run) note(ended(run));
  } catch (error) {
    failed(error);
  }
}

/** How a run ended, as a sentence. */
export function ended({ state, name, best }: TrainingRun): string {
  if (state === "done") return `The training of “${name}” is done.`;
  if (state === "failed") return `The training of “${name}” failed. Its last lines say why.`;
  return best ? `The training of “${name}” was stopped. What it learnt so far is kept.` : `The training of “${name}” was stopped before it learnt anything.`;
}

/** Labels with another model from now on; pictures are encoded again. */
export async function chooseModel(id: string): Promise<void> {
  const name = models.value.find((row) => row.id === id)?.name ?? id;
  busy(`Loading ${name}…`);
  try {
    const model = await askJson<Info["model"]>("/model", { method: "PUT", json: { id } });
    if (info.value) info.value = { ...info.value, model };
    pictures.value = pictures.value.map((row) => ({ ...row, encoded: false }));
    if (pictureId.value !== null) await open(pictureId.value);
    announce(`Model: ${name}`);
  } catch (error) {
    failed(error);
  }
  await refreshModels().catch(failed);
}

/** Why a run cannot be started, as a sentence, or null. */
export function missing(data: TrainingData, name: string): string | null {
  if (data.pictures < data.least_pictures) {
    const there = data.pictures ? `${counted(data.pictures, "picture")} so far` : "none so far";
    return `Training needs accepted objects on at least ${data.least_pictures} pictures; there ${data.pictures === 1 ? "is" : "are"} ${there}. Label more pictures${data.objects < totalOf(data) ? ", or choose more classes" : ""}.`;
  }
  if (data.problem) return data.problem;
  return name && !new RegExp(`^${NAME}$`).test(name) ? "The name begins with a letter or a digit, and has letters (A to Z), digits, spaces, - and _ only." : null;
}

function totalOf(data: TrainingData): number {
  return data.classes.reduce((sum, { objects }) => sum + objects, 0);
}
