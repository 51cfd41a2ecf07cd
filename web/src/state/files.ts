/** Files in and out: export, import, pictures dropped on the page. */
import { ask, askJson } from "../api/client";
import type { Picture } from "../api/types";
import { refreshClasses, reload } from "./commands";
import { open, refreshPictures } from "./pictures";
import { busy, counted, failed, note, ready } from "./status";
import { dialog, info, pictureId, refusedFiles } from "./store";

export interface Imported {
  objects: number;
  images: number;
  classes: string[];
  skipped: string[];
}

/** Downloads the objects in one format; the browser keeps the file where it keeps downloads. */
export async function exportAs(format: string, options: { scope: "project" | "image"; shapes: "mask" | "polygon"; tolerance: number }): Promise<void> {
  const asked = new URLSearchParams({ scope: options.scope, shapes: options.shapes, tolerance: String(options.tolerance) });
  if (options.scope === "image" && pictureId.value !== null) asked.set("image_id", String(pictureId.value));
  busy(`Exporting ${format}…`);
  try {
    const response = await ask(`/export/${format}?${asked}`);
    const name = fileName(response.headers.get("Content-Disposition")) ?? `${format}.zip`;
    download(await response.blob(), name);
    ready(`${name} was downloaded.`);
  } catch (error) {
    failed(error);
  }
}

export function fileName(disposition: string | null): string | null {
  const encoded = /filename\*=(?:UTF-8|utf-8)''([^;]+)/.exec(disposition ?? "");
  if (encoded) return decodeURIComponent(encoded[1]!);
  return /filename="?([^";]+)"?/.exec(disposition ?? "")?.[1] ?? null;
}

function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export async function importFile(file: File, format: string | null): Promise<Imported | null> {
  const asked = new URLSearchParams();
  if (format) asked.set("format", format);
  if (pictureId.value !== null) asked.set("image_id", String(pictureId.value));
  busy(`Importing ${file.name}…`);
  try {
    const found = await askJson<Imported>(`/import?${asked}`, { method: "POST", bytes: file });
    await Promise.all([refreshClasses(), refreshPictures()]);
    if (pictureId.value !== null) await reload(pictureId.value);
    ready(`${counted(found.objects, "object")} on ${counted(found.images, "picture")} imported.`);
    return found;
  } catch (error) {
    failed(error);
    return null;
  }
}

/** Adds pictures that were dropped or chosen, and opens the first. Files that were refused are listed in the dialog, with the reasons. */
export async function upload(files: readonly File[]): Promise<void> {
  let first: Picture | null = null;
  const refused: string[] = [];
  for (const [index, file] of files.entries()) {
    busy(`Adding ${file.name}${files.length > 1 ? `, ${index + 1} of ${files.length}` : ""}…`);
    try {
      const row = await add(file);
      first ??= row;
    } catch (error) {
      refused.push(`${file.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (first) {
    await refreshPictures();
    await open(first.id);
  }
  if (!refused.length) return;
  refusedFiles.value = refused;
  dialog.value = "import";
  note(`${counted(refused.length, "file")} of ${files.length} could not be added.`);
}

async function add(file: File): Promise<Picture> {
  const most = info.value?.limits.max_bytes ?? Infinity;
  if (file.size > most) throw new Error(`It is larger than the ${Math.round(most / 2 ** 20)} MiB that this server takes. Put it into the folder instead.`);
  return askJson<Picture>(`/images?name=${encodeURIComponent(file.name)}`, { method: "POST", bytes: file });
}
