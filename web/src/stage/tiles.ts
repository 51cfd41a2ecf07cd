/** The picture as tiles of the server's pyramid: level 0 is full size, each level halves both sides. */
import type { Size, View } from "./view";

export interface TileKey {
  z: number;
  x: number;
  y: number;
}

/** The highest level: the whole picture in one tile. */
export function topLevel(picture: Size, tile: number): number {
  let z = 0;
  while (levelSize(picture, z).width > tile || levelSize(picture, z).height > tile) z++;
  return z;
}

export function levelSize(picture: Size, z: number): Size {
  let { width, height } = picture;
  for (let i = 0; i < z; i++) {
    width = Math.ceil(width / 2);
    height = Math.ceil(height / 2);
  }
  return { width, height };
}

/** The level whose pixels are nearest to those of the screen, and never coarser than them by more than a little. */
export function levelFor(scale: number, top: number): number {
  return Math.max(0, Math.min(top, Math.floor(Math.log2(1 / scale) + 0.25)));
}

/** The tiles of a level that the stage shows, those in the middle first. */
export function visibleTiles(picture: Size, stage: Size, view: View, z: number, tile: number): TileKey[] {
  const span = tile * 2 ** z * view.scale;
  const size = levelSize(picture, z);
  const columns = Math.ceil(size.width / tile);
  const rows = Math.ceil(size.height / tile);
  const from = (offset: number) => Math.max(0, Math.floor(-offset / span));
  const to = (offset: number, side: number, count: number) => Math.min(count - 1, Math.floor((side - offset) / span));
  const keys: TileKey[] = [];
  for (let y = from(view.y); y <= to(view.y, stage.height, rows); y++) {
    for (let x = from(view.x); x <= to(view.x, stage.width, columns); x++) keys.push({ z, x, y });
  }
  const far = ({ x, y }: TileKey) =>
    Math.hypot(view.x + (x + 0.5) * span - stage.width / 2, view.y + (y + 0.5) * span - stage.height / 2);
  return keys.sort((a, b) => far(a) - far(b));
}

type Load = (key: TileKey, signal: AbortSignal) => Promise<ImageBitmap>;
const KEPT = 160;
const AT_ONCE = 6;
const ATTEMPTS = 3;

/** Tiles of one picture, loaded as they are needed; `changed` is called when one arrives. */
export class TileLayer {
  private readonly tiles = new Map<string, ImageBitmap>();
  private readonly pending = new Map<string, AbortController>();
  private readonly failures = new Map<string, number>();
  readonly top: number;

  constructor(
    private readonly picture: Size,
    private readonly tile: number,
    private readonly load: Load,
    private readonly changed: () => void,
  ) {
    this.top = topLevel(picture, tile);
  }

  close(): void {
    for (const controller of this.pending.values()) controller.abort();
    for (const bitmap of this.tiles.values()) bitmap.close();
    this.tiles.clear();
  }

  /** The whole picture in one tile, where it has come already. */
  get whole(): ImageBitmap | null {
    return this.tiles.get(name({ z: this.top, x: 0, y: 0 })) ?? null;
  }

  draw(context: CanvasRenderingContext2D, stage: Size, view: View, ratio: number): void {
    const z = levelFor(view.scale * ratio, this.top);
    context.imageSmoothingEnabled = view.scale * ratio < 3;
    context.imageSmoothingQuality = "high";
    this.drawTile(context, { z: this.top, x: 0, y: 0 }, view);
    const needed = visibleTiles(this.picture, stage, view, z, this.tile);
    const names = new Set(needed.map(name));
    for (const [key, controller] of this.pending) if (!names.has(key) && key !== name({ z: this.top, x: 0, y: 0 })) controller.abort();
    for (let level = this.top - 1; level > z; level--) {
      for (const key of visibleTiles(this.picture, stage, view, level, this.tile)) if (this.tiles.has(name(key))) this.drawTile(context, key, view);
    }
    for (const key of needed) this.drawTile(context, key, view);
  }

  private drawTile(context: CanvasRenderingContext2D, key: TileKey, view: View): void {
    const bitmap = this.tiles.get(name(key));
    if (!bitmap) {
      this.request(key);
      return;
    }
    this.tiles.delete(name(key));
    this.tiles.set(name(key), bitmap);
    // The last tile of a level may cover a little more than the picture: sides are rounded up.
    const step = 2 ** key.z;
    const span = this.tile * step;
    const x0 = key.x * span;
    const y0 = key.y * span;
    const x1 = Math.min(this.picture.width, x0 + bitmap.width * step);
    const y1 = Math.min(this.picture.height, y0 + bitmap.height * step);
    const sx = (x: number) => Math.round(x * view.scale + view.x);
    const sy = (y: number) => Math.round(y * view.scale + view.y);
    context.drawImage(bitmap, sx(x0), sy(y0), sx(x1) - sx(x0), sy(y1) - sy(y0));
  }

  private request(key: TileKey): void {
    const id = name(key);
    if (this.pending.has(id) || this.pending.size >= AT_ONCE || (this.failures.get(id) ?? 0) >= ATTEMPTS) return;
    const controller = new AbortController();
    this.pending.set(id, controller);
    this.load(key, controller.signal)
      .then((bitmap) => {
        this.tiles.set(id, bitmap);
        this.trim();
      })
      .catch(() => {
        if (!controller.signal.aborted) this.failures.set(id, (this.failures.get(id) ?? 0) + 1);
      })
      .finally(() => {
        this.pending.delete(id);
        this.changed();
      });
  }

  private trim(): void {
    for (const [id, bitmap] of this.tiles) {
      if (this.tiles.size <= KEPT) return;
      if (id === name({ z: this.top, x: 0, y: 0 })) continue;
      bitmap.close();
      this.tiles.delete(id);
    }
  }
}

function name({ z, x, y }: TileKey): string {
  return `${z}/${x}/${y}`;
}
