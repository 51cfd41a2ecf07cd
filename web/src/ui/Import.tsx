/** Labels from files, and more pictures. */
import { useEffect, useState } from "preact/hooks";
import { importFile, upload, type Imported } from "../state/files";
import { counted } from "../state/status";
import { dialog, info, refusedFiles } from "../state/store";
import { Dialog } from "./Dialog";

export function Import() {
  const [format, setFormat] = useState("");
  const [found, setFound] = useState<Imported | null>(null);
  useEffect(() => () => void (refusedFiles.value = []), []);
  const choose = async (files: FileList | null) => {
    for (const file of files ?? []) setFound(await importFile(file, format || null));
  };
  const add = (files: FileList | null) => {
    dialog.value = null;
    void upload([...(files ?? [])]);
  };
  return (
    <Dialog title="Import">
      <h3>Labels</h3>
      <div class="row">
        <select class="field" aria-label="Format" value={format} onChange={(event) => setFormat(event.currentTarget.value)}>
          <option value="">format from the content</option>
          {(info.value?.import_formats ?? []).map((each) => (
            <option key={each.name} value={each.name}>
              {each.name}: {each.about}
            </option>
          ))}
        </select>
        <input class="file" type="file" aria-label="File of labels" accept=".json,.xml,.zip" onChange={(event) => void choose(event.currentTarget.files)} />
      </div>
      {found && (
        <div role="status">
          <p>
            {counted(found.objects, "object")} on {counted(found.images, "picture")}{found.classes.length ? `, new classes: ${found.classes.join(", ")}` : ""}.
          </p>
          {found.skipped.length > 0 && (
            <ul class="skipped">
              {found.skipped.slice(0, 50).map((sentence) => (
                <li key={sentence}>{sentence}</li>
              ))}
            </ul>
          )}
        </div>
      )}
      <h3>Pictures</h3>
      <p class="dim">They can also be dropped on the page.</p>
      {refusedFiles.value.length > 0 && (
        <div role="alert">
          <p class="problem">{counted(refusedFiles.value.length, "file")} could not be added:</p>
          <ul class="skipped">
            {refusedFiles.value.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </div>
      )}
      <input class="file" type="file" multiple aria-label="Pictures" accept="image/*,.tif,.tiff" onChange={(event) => add(event.currentTarget.files)} />
    </Dialog>
  );
}
