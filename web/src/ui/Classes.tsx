/** The classes: names, colours, removing one. */
import { useEffect, useState } from "preact/hooks";
import { changeClass, chooseOrMake, removeClass } from "../state/classes";
import { COLOURS, NAMES, patternOf } from "../palette";
import { refreshClasses } from "../state/commands";
import { counted, failed } from "../state/status";
import { classes } from "../state/store";
import type { LabelClass } from "../api/types";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Swatch } from "./Swatch";

export function Classes() {
  const [text, setText] = useState("");
  // The numbers of objects change with each accepted mask, here and in other windows.
  useEffect(() => void refreshClasses().catch(failed), []);
  return (
    <Dialog title="Classes">
      <ul class="class-rows">
        {classes.value.map((row, index) => (
          <li key={row.id}>
            <ClassRow row={row} index={index} />
          </li>
        ))}
      </ul>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void chooseOrMake(text);
          setText("");
        }}
      >
        <input class="field" type="text" placeholder="new class" aria-label="Name of a new class" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <button type="submit" class="button wide" disabled={!text.trim()}>
          Add
        </button>
      </form>
    </Dialog>
  );
}

function ClassRow({ row, index }: { row: LabelClass; index: number }) {
  const [removing, setRemoving] = useState(false);
  const others = classes.value.filter(({ id }) => id !== row.id);
  return (
    <div class="row">
      <Swatch colour={row.colour} pattern={patternOf(index)} />
      <input class="field" type="text" aria-label={`Name of class ${index + 1}`} value={row.name} onChange={(event) => void changeClass(row.id, { name: event.currentTarget.value })} />
      <select class="field" aria-label={`Colour of ${row.name}`} value={row.colour} onChange={(event) => void changeClass(row.id, { colour: event.currentTarget.value })}>
        {[...new Set([row.colour, ...COLOURS])].map((colour) => (
          <option key={colour} value={colour}>
            {NAMES[colour] ?? colour}
          </option>
        ))}
      </select>
      <span class="figure dim">{counted(row.n_objects, "object")}</span>
      <Button icon="trash" label={`Remove ${row.name}`} quiet disabled={!others.length} onClick={() => (row.n_objects ? setRemoving(!removing) : void removeClass(row.id, null))} />
      {removing && (
        <select class="field" aria-label={`Class that the objects of ${row.name} get`} value="" onChange={(event) => void removeClass(row.id, Number(event.currentTarget.value))}>
          <option value="">give its objects to…</option>
          {others.map((other) => (
            <option key={other.id} value={other.id}>
              {other.name}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
