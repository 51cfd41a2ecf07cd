/** Who else is at work: pictures that other windows have open, and the next one that nobody has. */
import { ask, askJson, PAGE } from "../api/client";
import type { Picture } from "../api/types";
import { catchUp } from "./commands";
import { elsewhere, pictureId, pictures } from "./store";

const BEAT_MS = 10_000;
let beating = 0;

/** Tells the server which picture is open, now and from time to time, and takes over what others did to it. */
export async function beat(): Promise<void> {
  clearTimeout(beating);
  const id = pictureId.value;
  try {
    const said = await askJson<{ elsewhere: number[]; revision: number | null }>("/presence", { json: { client: PAGE, image_id: id } });
    elsewhere.value = new Set(said.elsewhere);
    if (id !== null && said.revision !== null) await catchUp(id, said.revision);
  } catch {
    // Nobody waits for it. The next one tells as much.
  } finally {
    clearTimeout(beating);
    beating = window.setTimeout(() => void beat(), BEAT_MS);
  }
}

/** Tells the server that this page is gone. */
export function leave(): void {
  void ask("/presence", { json: { client: PAGE, image_id: null }, outlives: true }).catch(() => undefined);
}

/** The next picture that is to do and that no other window has open; null where none is left. */
export async function takeNext(): Promise<Picture | null> {
  const { image } = await askJson<{ image: Picture | null }>("/presence/next", { json: { client: PAGE, image_id: pictureId.value }, patient: true });
  if (image) pictures.value = pictures.value.map((row) => (row.id === image.id ? image : row));
  return image;
}
