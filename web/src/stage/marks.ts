/** What lies over the masks: points, box with handles, cursors, the grid of pixels. A few shapes, however many objects there are. */
import type { Box, Point } from "../api/types";
import { handles } from "./live";
import { toScreen, type Size, type View } from "./view";

export interface Marks {
  points: readonly Point[];
  labels: readonly (0 | 1)[];
  hoveredPoint: number | null;
  box: Box | null;
  withHandles: boolean;
  scribble: { points: readonly Point[]; label: 0 | 1 } | null;
  brush: { at: Point; radius: number; erase: boolean } | null;
  cursor: Point | null;
  picture: Size;
}

export const ADD = "#0072b2";
export const SUBTRACT = "#d55e00";
const GRID_FROM = 8;

export function drawMarks(context: CanvasRenderingContext2D, stage: Size, view: View, marks: Marks): void {
  if (view.scale >= GRID_FROM) drawGrid(context, stage, view, marks.picture);
  if (marks.box) drawBox(context, view, marks.box, marks.withHandles);
  if (marks.scribble) drawScribble(context, view, marks.scribble);
  marks.points.forEach((point, i) => drawPoint(context, toScreen(view, ...point), marks.labels[i]!, i === marks.hoveredPoint));
  if (marks.brush) drawBrush(context, view, marks.brush);
  if (marks.cursor) drawCursor(context, toScreen(view, ...marks.cursor));
}

/** A line in white over black, visible on any picture. */
function twice(context: CanvasRenderingContext2D, path: () => void, width = 1.5, dash: number[] = []): void {
  context.setLineDash([]);
  context.strokeStyle = "rgb(0 0 0 / 75%)";
  context.lineWidth = width + 2;
  context.beginPath();
  path();
  context.stroke();
  context.setLineDash(dash);
  context.strokeStyle = "#fff";
  context.lineWidth = width;
  context.beginPath();
  path();
  context.stroke();
  context.setLineDash([]);
}

function drawPoint(context: CanvasRenderingContext2D, [x, y]: Point, label: 0 | 1, hovered: boolean): void {
  const radius = hovered ? 10 : 8;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = label ? ADD : SUBTRACT;
  context.fill();
  twice(context, () => context.arc(x, y, radius, 0, 2 * Math.PI), 2);
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x - 4, y);
  context.lineTo(x + 4, y);
  if (label) {
    context.moveTo(x, y - 4);
    context.lineTo(x, y + 4);
  }
  context.stroke();
}

function drawBox(context: CanvasRenderingContext2D, view: View, box: Box, withHandles: boolean): void {
  const [x0, y0] = toScreen(view, box[0], box[1]);
  const [x1, y1] = toScreen(view, box[2], box[3]);
  twice(context, () => context.rect(x0, y0, x1 - x0, y1 - y0), 1.5, [6, 4]);
  if (!withHandles) return;
  for (const place of handles(box)) {
    const [x, y] = toScreen(view, ...place);
    context.fillStyle = "#fff";
    context.strokeStyle = "#000";
    context.lineWidth = 1;
    context.beginPath();
    context.rect(x - 4.5, y - 4.5, 9, 9);
    context.fill();
    context.stroke();
  }
}

function drawScribble(context: CanvasRenderingContext2D, view: View, scribble: { points: readonly Point[]; label: 0 | 1 }): void {
  context.lineCap = "round";
  context.lineJoin = "round";
  const path = () => scribble.points.forEach((point, i) => context[i ? "lineTo" : "moveTo"](...toScreen(view, ...point)));
  twice(context, path, 5);
  context.strokeStyle = scribble.label ? ADD : SUBTRACT;
  context.lineWidth = 3;
  context.beginPath();
  path();
  context.stroke();
}

function drawBrush(context: CanvasRenderingContext2D, view: View, brush: { at: Point; radius: number; erase: boolean }): void {
  const [x, y] = toScreen(view, ...brush.at);
  const radius = Math.max(2, brush.radius * view.scale);
  twice(context, () => context.arc(x, y, radius, 0, 2 * Math.PI), 1, brush.erase ? [4, 3] : []);
}

function drawCursor(context: CanvasRenderingContext2D, [x, y]: Point): void {
  twice(
    context,
    () => {
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        context.moveTo(x + dx * 4, y + dy * 4);
        context.lineTo(x + dx * 18, y + dy * 18);
      }
    },
    2,
  );
}

function drawGrid(context: CanvasRenderingContext2D, stage: Size, view: View, picture: Size): void {
  const [left, top] = toScreen(view, 0, 0);
  const [right, bottom] = toScreen(view, picture.width, picture.height);
  context.beginPath();
  for (let x = Math.max(0, Math.floor(-view.x / view.scale)); x <= picture.width; x++) {
    const sx = Math.round(x * view.scale + view.x) + 0.5;
    if (sx > stage.width) break;
    context.moveTo(sx, Math.max(0, top));
    context.lineTo(sx, Math.min(stage.height, bottom));
  }
  for (let y = Math.max(0, Math.floor(-view.y / view.scale)); y <= picture.height; y++) {
    const sy = Math.round(y * view.scale + view.y) + 0.5;
    if (sy > stage.height) break;
    context.moveTo(Math.max(0, left), sy);
    context.lineTo(Math.min(stage.width, right), sy);
  }
  context.strokeStyle = "rgb(128 128 128 / 35%)";
  context.lineWidth = 1;
  context.stroke();
}
