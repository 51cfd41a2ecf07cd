/** The stage's layers: picture, committed masks, suggestions, draft, marks. Each is drawn anew only when what it shows has changed. */
import { effect } from "@preact/signals";
import { LabelMap } from "../masks/labels";
import { logitMask, positiveBounds } from "../masks/logits";
import { colourOf, pixel } from "../palette";
import { chosenCandidate } from "../state/decoding";
import { loadTile } from "../state/pictures";
import * as store from "../state/store";
import { hoveredPoint, liveBox, livePoint, liveScribble, panning } from "./live";
import { labelLooks, oneLook, suggestionLooks } from "./looks";
import { drawMarks } from "./marks";
import { Screen, type Looks } from "./shade";
import { TileLayer } from "./tiles";
import { fit, resized, type Size, type View } from "./view";

/** Masks are drawn with at most this many pixels; a dense display shows them a little softer then. */
const MOST_PIXELS = 2_500_000;
export const LAYERS = ["base", "labels", "suggestions", "draft", "marks"] as const;
type LayerName = (typeof LAYERS)[number];

/** A canvas of masks: its pixels, and the part of them that is not empty. */
class MaskCanvas {
  readonly screen = new Screen();
  private image = new ImageData(1, 1);
  private pixels = new Uint32Array(1);
  private filled: [number, number, number, number] = [0, 0, 0, 0];

  constructor(readonly canvas: HTMLCanvasElement) {}

  resize(width: number, height: number): void {
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.screen.resize(width, height);
    this.filled = [0, 0, 0, 0];
  }

  /** Shows what the screen sampled; null shows nothing. */
  show(looks: Looks | null): void {
    const [x0, y0, x1, y1] = this.filled;
    const width = this.canvas.width;
    for (let y = y0; y < y1; y++) this.pixels.fill(0, y * width + x0, y * width + x1);
    const next: typeof this.filled = looks ? [...this.screen.region] : [0, 0, 0, 0];
    if (looks) this.screen.shade(this.pixels, looks);
    const dirty = hull(this.filled, next);
    this.filled = next;
    if (dirty) this.canvas.getContext("2d")!.putImageData(this.image, 0, 0, dirty[0], dirty[1], dirty[2] - dirty[0], dirty[3] - dirty[1]);
  }
}

function hull(a: readonly number[], b: readonly number[]): [number, number, number, number] | null {
  const empty = (box: readonly number[]) => box[0]! >= box[2]! || box[1]! >= box[3]!;
  if (empty(a)) return empty(b) ? null : (b as [number, number, number, number]);
  if (empty(b)) return a as [number, number, number, number];
  return [Math.min(a[0]!, b[0]!), Math.min(a[1]!, b[1]!), Math.max(a[2]!, b[2]!), Math.max(a[3]!, b[3]!)];
}

export class Painter {
  /** The map of committed masks; people who click ask it what lies there. */
  labels: LabelMap | null = null;
  suggested: LabelMap | null = null;
  tiles: TileLayer | null = null;
  private readonly masks: Record<"labels" | "suggestions" | "draft", MaskCanvas>;
  private readonly stale = new Set<LayerName>();
  private frame = 0;
  private ratio = 1;
  private maskRatio = 1;
  private fitted: number | null = null;
  private stage: Size | null = null;
  private readonly stops: (() => void)[] = [];

  constructor(private readonly canvases: Record<LayerName, HTMLCanvasElement>) {
    this.masks = {
      labels: new MaskCanvas(canvases.labels),
      suggestions: new MaskCanvas(canvases.suggestions),
      draft: new MaskCanvas(canvases.draft),
    };
    this.watch();
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    for (const stop of this.stops) stop();
    this.tiles?.close();
  }

  private watch(): void {
    const on = (work: () => void) => this.stops.push(effect(work));
    on(() => this.open());
    on(() => {
      store.stageSize.value;
      this.resize();
    });
    on(() => {
      store.view.value;
      this.invalidate(...LAYERS);
    });
    on(() => {
      this.labels?.show(store.shownObjects.value);
      store.selection.value;
      store.opacity.value;
      store.outlineOnly.value;
      store.hideAll.value;
      store.colouring.value;
      store.classes.value;
      this.invalidate("labels");
    });
    on(() => {
      this.showSuggestions();
      store.hoveredSuggestion.value;
      store.opacity.value;
      this.invalidate("suggestions");
    });
    // The draft is drawn at once, not with the next frame: this is what the labeller waits for.
    on(() => this.drawDraft());
    on(() => {
      liveBox.value;
      livePoint.value;
      liveScribble.value;
      hoveredPoint.value;
      panning.value;
      store.draft.value;
      store.cursor.value;
      store.tool.value;
      store.brushRadius.value;
      store.pointer.value;
      this.invalidate("marks");
    });
  }

  /** Begins anew when another picture is opened. */
  private open(): void {
    const size = store.pictureSize.value;
    const id = store.pictureId.value;
    const tile = store.info.value?.tile ?? 512;
    if (id !== null && size && this.fitted === id && this.labels?.width === size.width && this.labels.height === size.height) return;
    this.tiles?.close();
    this.tiles = null;
    this.labels = null;
    this.suggested = null;
    this.fitted = null;
    if (id === null || !size) {
      this.invalidate(...LAYERS);
      return;
    }
    this.labels = new LabelMap(size.height, size.width);
    this.labels.show(store.shownObjects.peek());
    this.tiles = new TileLayer(size, tile, (key, signal) => loadTile(id, key.z, key.x, key.y, signal), () => this.invalidate("base"));
    this.fitted = id;
    const stage = store.stageSize.peek();
    if (stage.width) store.view.value = fit(size, stage);
    this.invalidate(...LAYERS);
  }

  private resize(): void {
    const { width, height } = store.stageSize.peek();
    if (!width || !height) return;
    this.ratio = globalThis.devicePixelRatio || 1;
    this.maskRatio = Math.min(this.ratio, Math.sqrt(MOST_PIXELS / (width * height)));
    for (const name of ["base", "marks"] as const) {
      this.canvases[name].width = Math.round(width * this.ratio);
      this.canvases[name].height = Math.round(height * this.ratio);
    }
    for (const mask of Object.values(this.masks)) mask.resize(Math.round(width * this.maskRatio), Math.round(height * this.maskRatio));
    const size = store.pictureSize.peek();
    if (size) store.view.value = resized(store.view.peek(), size, this.stage, { width, height });
    this.stage = { width, height };
    this.invalidate(...LAYERS);
  }

  private invalidate(...layers: LayerName[]): void {
    for (const layer of layers) this.stale.add(layer);
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const stale = new Set(this.stale);
    this.stale.clear();
    if (stale.has("base")) this.drawBase();
    if (stale.has("labels")) this.drawLabels();
    if (stale.has("suggestions")) this.drawSuggestions();
    if (stale.has("draft")) this.drawDraft();
    if (stale.has("marks")) this.drawMarks();
  }

  private context(name: "base" | "marks"): CanvasRenderingContext2D {
    const context = this.canvases[name].getContext("2d")!;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const { width, height } = store.stageSize.peek();
    context.clearRect(0, 0, width, height);
    return context;
  }

  private drawBase(): void {
    this.tiles?.draw(this.context("base"), store.stageSize.peek(), store.view.peek(), this.ratio);
    if (!this.tiles) this.context("base");
  }

  private maskView(): View {
    const { scale, x, y } = store.view.peek();
    return { scale: scale * this.maskRatio, x: x * this.maskRatio, y: y * this.maskRatio };
  }

  private drawLabels(): void {
    const { labels } = this.masks;
    if (!this.labels?.size || store.hideAll.peek()) {
      labels.show(null);
      return;
    }
    labels.screen.sampleLabels(this.labels, this.maskView());
    labels.show(labelLooks(this.labels));
  }

  private showSuggestions(): void {
    const open = store.openSuggestions.value;
    const size = store.pictureSize.value;
    if (!open.length || !size) {
      this.suggested = null;
      return;
    }
    this.suggested ??= new LabelMap(size.height, size.width);
    this.suggested.show(open.map(([index, item]) => ({ id: String(index), mask: item.mask, bbox: item.bbox })));
  }

  private drawSuggestions(): void {
    const { suggestions } = this.masks;
    if (!this.suggested || store.hideAll.peek()) {
      suggestions.show(null);
      return;
    }
    suggestions.screen.sampleLabels(this.suggested, this.maskView());
    suggestions.show(suggestionLooks(this.suggested));
  }

  private drawDraft(): void {
    const painted = store.painted.value;
    const refined = store.refined.value;
    const decoded = store.decoded.value;
    const preview = store.preview.value;
    const value = store.draft.value;
    const alpha = store.outlineOnly.value ? 0 : Math.max(0.3, store.opacity.value);
    const colour = store.classOf(store.classId.value)?.colour ?? colourOf(0);
    const size = store.pictureSize.peek();
    const { draft } = this.masks;
    if (store.hideAll.value || !size) {
      draft.show(null);
      return;
    }
    const view = this.maskView();
    const strong = oneLook(pixel(colour, Math.round(alpha * 255)), pixel(colour, 255), true);
    if (painted) {
      draft.screen.sampleBitmap(painted.bitmap, view);
      draft.show(strong);
    } else if (refined && value) {
      draft.screen.sampleBitmap(refined.bitmap, view);
      draft.show(strong);
    } else if (decoded && value) {
      const mask = logitMask(decoded, chosenCandidate(decoded, value), size.height, size.width);
      draft.screen.sampleLogits(mask, positiveBounds(mask), view);
      draft.show(strong);
    } else if (preview && !value) {
      const mask = logitMask(preview.decoded, 0, size.height, size.width);
      draft.screen.sampleLogits(mask, positiveBounds(mask), view);
      draft.show(oneLook(pixel(colour, Math.round(alpha * 160)), pixel(colour, 255), false));
    } else draft.show(null);
  }

  private drawMarks(): void {
    const context = this.context("marks");
    const picture = store.pictureSize.peek();
    if (!picture) return;
    const value = store.draft.peek();
    const moving = livePoint.peek();
    const tool = store.tool.peek();
    const at = store.pointer.peek() ?? store.cursor.peek();
    const painting = (tool === "brush" || tool === "eraser") && at && !panning.peek();
    drawMarks(context, store.stageSize.peek(), store.view.peek(), {
      points: (value?.points ?? []).map((point, i) => (moving?.index === i ? moving.at : point)),
      labels: value?.labels ?? [],
      hoveredPoint: hoveredPoint.peek(),
      box: liveBox.peek() ?? value?.box ?? null,
      withHandles: !liveBox.peek(),
      scribble: liveScribble.peek(),
      brush: painting ? { at, radius: store.brushRadius.peek(), erase: tool === "eraser" } : null,
      cursor: store.cursor.peek(),
      picture,
    });
  }
}
