/** Download the objects in a format of another tool. */
import { useState } from "preact/hooks";
import { exportAs } from "../state/files";
import { counted } from "../state/status";
import { dialog, info, pictureId, pictures } from "../state/store";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

export function Export() {
  const formats = info.value?.export_formats ?? [];
  const [format, setFormat] = useState(formats.find((each) => each.available)?.name ?? "");
  const [scope, setScope] = useState<"project" | "image">("project");
  const [shapes, setShapes] = useState<"mask" | "polygon">("mask");
  const [tolerance, setTolerance] = useState(1);
  const chosen = pictures.value.filter(({ id, status }) => (scope === "image" ? id === pictureId.value : status !== "skip"));
  const count = chosen.reduce((sum, { n_objects }) => sum + n_objects, 0);
  const send = () => {
    dialog.value = null;
    void exportAs(format, { scope, shapes, tolerance: shapes === "polygon" ? tolerance : 0 });
  };
  return (
    <Dialog title="Export">
      <div class="formats" role="radiogroup" aria-label="Format">
        {formats.map((each) => (
          <label key={each.name} class="format" title={each.available ? each.about : `${each.about}: its package is not installed`}>
            <input type="radio" name="format" value={each.name} disabled={!each.available} checked={format === each.name} onChange={() => setFormat(each.name)} />
            <b>{each.name}</b>
            <span class="dim">{each.about}</span>
          </label>
        ))}
      </div>
      <p class="dim" role="status">
        {count ? `${counted(count, "object")} on ${counted(chosen.filter(({ n_objects }) => n_objects).length, "picture")}.` : "Nothing to export yet: no mask was accepted."}
      </p>
      <div class="row">
        <select class="field" aria-label="Pictures" value={scope} onChange={(event) => setScope(event.currentTarget.value as typeof scope)}>
          <option value="project">all pictures</option>
          <option value="image">this picture</option>
        </select>
        <select class="field" aria-label="Shapes" value={shapes} onChange={(event) => setShapes(event.currentTarget.value as typeof shapes)}>
          <option value="mask">exact masks</option>
          <option value="polygon">polygons</option>
        </select>
        {shapes === "polygon" && (
          <label class="row">
            <span class="dim">within</span>
            <input class="field small" type="number" min={0} max={50} step={0.5} value={tolerance} aria-label="Tolerance of polygons in pixels" onChange={(event) => setTolerance(Number(event.currentTarget.value))} />
            <span class="dim">px</span>
          </label>
        )}
        <div class="spring" />
        <Button icon="download" label="Download" strong disabled={!format || !count} onClick={send}>
          Download
        </Button>
      </div>
    </Dialog>
  );
}
