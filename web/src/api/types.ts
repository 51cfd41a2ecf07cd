/** The values of the server's interface (docs/serve-api.md), as they come over the wire. */

export type Point = [number, number];
/** [x0, y0, x1, y1], pixels of the upright picture. */
export type Box = [number, number, number, number];
export type Hq = "add" | "only" | "off";
export type Overlap = "keep" | "newest" | "oldest";

/** COCO's compressed RLE: column by column, at the picture's own size [height, width]. */
export interface Rle {
  size: [number, number];
  counts: string;
}

export interface Info {
  version: string;
  model: { name: string; ready: boolean; hq: boolean; side: number; refines_boxes: boolean; error: string | null };
  limits: { max_bytes: number; max_pixels: number; max_draft_bytes: number };
  text: { available: boolean; message: string };
  export_formats: { name: string; about: string; available: boolean }[];
  import_formats: { name: string; about: string }[];
  tile: number;
  folder: string | null;
  /** When the project was made: two projects differ in it. */
  created: string;
  project: string;
  settings: Record<string, unknown>;
}

export interface LabelClass {
  id: number;
  name: string;
  colour: string;
  key: string | null;
  position: number;
  n_objects: number;
}

export type PictureStatus = "todo" | "doing" | "done" | "skip";

export interface Picture {
  id: number;
  name: string;
  width: number | null;
  height: number | null;
  status: PictureStatus;
  n_objects: number;
  encoded: boolean;
  error?: string | null;
}

export interface LabelObject {
  id: string;
  class_id: number | null;
  mask: Rle;
  bbox: [number, number, number, number];
  area: number;
  score: number | null;
  source: string;
  z: number;
  locked: boolean;
  hidden: boolean;
}

/** What the labeller is making at the moment. `edited`, where given, is the mask as painted by hand. */
export interface Draft {
  points: Point[];
  labels: (0 | 1)[];
  box: Box | null;
  mask: Rle | null;
  hq: Hq | null;
  candidate: string | null;
  edited: Rle | null;
  object_id: string | null;
}

export interface Delta {
  revision: number;
  can_undo: boolean;
  can_redo: boolean;
  undo_label: string | null;
  redo_label: string | null;
  upsert: LabelObject[];
  remove: string[];
  draft: Partial<Draft> | null;
}

export interface PictureState extends Omit<Delta, "upsert" | "remove"> {
  objects: LabelObject[];
}

export interface Suggestion {
  mask: Rle;
  bbox: [number, number, number, number];
  area: number;
  score: number;
  stability?: number | null;
  label?: string | null;
}

export interface Job {
  id: string;
  kind: string;
  state: string;
  done: number;
  total: number | null;
}

/** What there is to train on; `problem` is a sentence where a run cannot be started. */
export interface TrainingData {
  classes: { id: number; name: string; pictures: number; objects: number }[];
  pictures: number;
  objects: number;
  least_pictures: number;
  problem: string | null;
}

export type Learns = "hq" | "decoder" | "lora" | "all";

export interface TrainingRequest {
  what: Learns;
  classes: number[];
  name?: string;
  epochs?: number;
  minutes?: number;
  steps?: number;
}

export interface TrainingRun {
  state: "none" | "running" | "stopping" | "done" | "failed" | "cancelled";
  name: string;
  seconds: number;
  fraction: number;
  step: number;
  lines: string[];
  best: string | null;
}

export interface Model {
  id: string;
  name: string;
  trained: boolean;
  current: boolean;
}

export type Command =
  | { type: "set_draft"; draft: Draft | null }
  | { type: "commit"; draft: Draft; class_id?: number; overlap?: Overlap; object_id?: string }
  | {
      type: "commit_many";
      job_id: string;
      indices: number[] | null;
      class_id?: number;
      min_score?: number;
      overlap?: Overlap;
    }
  | { type: "clean"; ids: string[]; fill_holes: number; drop_specks: number }
  | { type: "update"; ids: string[]; class_id?: number; locked?: boolean; hidden?: boolean; z?: number }
  | { type: "delete"; ids: string[] };
