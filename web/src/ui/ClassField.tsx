/** The class of the next object or of the selected ones: type to find it, Enter makes it where it is new. */
import { useState } from "preact/hooks";
import { patternOf } from "../palette";
import { chooseOrMake } from "../state/classes";
import { refreshClasses } from "../state/commands";
import { failed } from "../state/status";
import { classes, classOf, dialog, shownClassId } from "../state/store";
import { Button } from "./Button";
import { Swatch } from "./Swatch";

export function ClassField() {
  const [text, setText] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const current = classOf(shownClassId.value);
  const wanted = (text ?? "").trim().toLowerCase();
  const rows = classes.value.filter(({ name }) => name.toLowerCase().includes(wanted)).slice(0, 12);
  const isNew = wanted !== "" && !classes.value.some(({ name }) => name.toLowerCase() === wanted);
  const choices = [...rows.map(({ name }) => name), ...(isNew ? [text!.trim()] : [])];
  const open = text !== null;
  const choose = (name: string | undefined) => {
    if (name) void chooseOrMake(name);
    setText(null);
    document.querySelector<HTMLElement>("[data-stage]")?.focus();
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === "Enter") choose(choices[active]);
    else if (event.key === "Escape") choose(undefined);
    else if (event.key === "ArrowDown") setActive(Math.min(choices.length - 1, active + 1));
    else if (event.key === "ArrowUp") setActive(Math.max(0, active - 1));
    else return;
    event.preventDefault();
  };
  return (
    <div class="class-field">
      {current && <Swatch colour={current.colour} pattern={patternOf(current.index)} />}
      <input
        id="class"
        class="field"
        role="combobox"
        type="text"
        autocomplete="off"
        aria-label="Class"
        title="Class: type to find or make one (C)"
        aria-expanded={open}
        aria-controls="class-list"
        aria-activedescendant={open && choices.length ? `class-${active}` : undefined}
        value={text ?? current?.name ?? ""}
        onFocus={() => {
          // Other windows make classes, too.
          void refreshClasses().catch(failed);
          setText("");
          setActive(0);
        }}
        onBlur={() => setText(null)}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setActive(0);
        }}
        onKeyDown={key}
      />
      <Button icon="edit" label="Edit the classes" quiet onClick={() => (dialog.value = "classes")} />
      <ul id="class-list" class="menu" role="listbox" aria-label="Classes" hidden={!open || !choices.length}>
        {choices.map((name, index) => (
          <li
            key={name}
            id={`class-${index}`}
            role="option"
            aria-selected={index === active}
            onPointerDown={(event) => {
              event.preventDefault();
              choose(name);
            }}
          >
            <ChoiceSwatch name={name} />
            <span class="ellipsis">{index === rows.length ? `New class “${name}”` : name}</span>
            <NumberKey name={name} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function ChoiceSwatch({ name }: { name: string }) {
  const index = classes.value.findIndex((row) => row.name === name);
  return index === -1 ? null : <Swatch colour={classes.value[index]!.colour} pattern={patternOf(index)} />;
}

function NumberKey({ name }: { name: string }) {
  const index = classes.value.findIndex((row) => row.name === name);
  return index >= 0 && index < 9 ? <kbd>⇧{index + 1}</kbd> : null;
}
