/** The bar on top: which picture, undo, what runs on the server, files, help. */
import { useState } from "preact/hooks";
import { accept, cancel, dismiss, everything, start } from "../state/jobs";
import { finish, move, setStatus } from "../state/pictures";
import { redo, undo } from "../state/prompting";
import { spoken } from "../state/commands";
import { isLearning } from "../state/training";
import * as store from "../state/store";
import type { PictureStatus } from "../api/types";
import { Button } from "./Button";
import { theme, nextTheme } from "./theme";
import { Icon } from "./icons";

export function Header() {
  const { undo: back, redo: forth } = store.history.value;
  return (
    <header class="header">
      <h1 class="brand">samhq</h1>
      <nav class="group pictures" aria-label="Pictures">
        <Button icon="previous" label="Previous picture" keys="A" onClick={() => move(-1)} />
        <PictureName />
        <Button icon="next" label="Next picture" keys="D" onClick={() => move(1)} />
        <StatusChoice />
        <Button icon="check" label="Done: mark the picture, open the next one to do" keys="M" disabled={!store.pictureSize.value} onClick={() => void finish("done")} />
      </nav>
      <div class="group" role="group" aria-label="History">
        <Button icon="undo" label={back ? `Undo: ${spoken(back)}` : "Nothing to undo"} keys="Ctrl+Z" disabled={!back} onClick={() => void undo()} />
        <Button icon="redo" label={forth ? `Redo: ${spoken(forth)}` : "Nothing to redo"} keys="Ctrl+Shift+Z" disabled={!forth} onClick={() => void redo()} />
      </div>
      <Everything />
      <Find />
      <div class="group" role="group" aria-label="Files and help">
        <Button icon="upload" label="Import labels or add pictures" onClick={() => (store.dialog.value = "import")} />
        <Learning />
        <Button icon="theme" label={`Colours: ${theme.value}`} onClick={nextTheme} />
        <Button icon="help" label="Keys and help" keys="?" onClick={() => (store.dialog.value = "help")} />
        <Button icon="download" label="Export" strong onClick={() => (store.dialog.value = "export")}>
          Export
        </Button>
      </div>
    </header>
  );
}

/** Opens the training; while a model is trained, the button shows how far it is. */
function Learning() {
  const run = store.training.value;
  const open = () => (store.dialog.value = "training");
  if (!run || !isLearning(run)) return (
    <Button icon="train" label="Train on what is labelled" onClick={open}>
      <span class="roomy">Train</span>
    </Button>
  );
  const percent = Math.round(run.fraction * 100);
  return (
    <Button icon="train" label={`Training of ${run.name}`} onClick={open}>
      <span class="figure">{percent} %</span>
    </Button>
  );
}

function PictureName() {
  const open = store.picture.value;
  const index = store.pictures.value.findIndex((row) => row.id === open?.id);
  return (
    <button type="button" class="button picture-name" title="All pictures" onClick={() => (store.dialog.value = "pictures")}>
      <span class="ellipsis">{open?.name ?? "Pictures"}</span>
      {open && (
        <span class="dim">
          {index + 1} / {store.pictures.value.length}
        </span>
      )}
    </button>
  );
}

function StatusChoice() {
  const open = store.picture.value;
  return (
    <select
      class="field status-choice"
      aria-label="Status of the picture"
      title="Status of the picture"
      disabled={!open}
      value={open?.status ?? "todo"}
      onChange={(event) => void setStatus(event.currentTarget.value as PictureStatus)}
    >
      <option value="todo">to do</option>
      <option value="doing">doing</option>
      <option value="done">done</option>
      <option value="skip">skip</option>
    </select>
  );
}

function Everything() {
  const running = store.job.value;
  if (running) {
    const percent = running.total ? Math.round((100 * running.done) / running.total) : null;
    return (
      <div class="group running">
        <progress aria-label={running.kind === "text" ? "Finding by name" : "Segmenting everything"} max={100} {...(percent === null ? {} : { value: percent })} />
        <span class="figure">{percent === null ? "…" : `${percent} %`}</span>
        <Button icon="close" label="Stop" onClick={() => void cancel()} />
      </div>
    );
  }
  if (store.suggestions.value) return <Suggestions />;
  return (
    <div class="group joined">
      <Button icon="everything" label="Segment everything" keys="G" disabled={!store.pictureSize.value} onClick={everything}>
        Everything
      </Button>
      <select class="field" aria-label="Points of the grid" title="Points of the grid: more find smaller objects and take longer" value={store.density.value} onChange={(event) => (store.density.value = Number(event.currentTarget.value))}>
        {[8, 16, 32, 64].map((side) => (
          <option key={side} value={side}>
            {side}²
          </option>
        ))}
      </select>
    </div>
  );
}

function Suggestions() {
  const count = store.openSuggestions.value.length;
  return (
    <div class="group suggestions" role="group" aria-label="Suggestions">
      <label class="slider" title="Suggestions with a lower score are hidden">
        <span class="dim">score ≥ {store.leastScore.value.toFixed(2)}</span>
        <input type="range" min="0" max="1" step="0.01" value={store.leastScore.value} onInput={(event) => (store.leastScore.value = Number(event.currentTarget.value))} />
      </label>
      <Button icon="check" label="Accept all suggestions" keys="Shift+Enter" strong onClick={() => void accept(null)}>
        Accept {count}
      </Button>
      <Button icon="close" label="Dismiss the suggestions" keys="Esc" onClick={dismiss} />
    </div>
  );
}

function Find() {
  const [text, setText] = useState("");
  const server = store.info.value;
  if (!server?.text.available) return null;
  return (
    <form
      class="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) void start("text", { text });
      }}
    >
      <Icon name="search" size={16} />
      <input id="find" class="field" type="text" placeholder="find: cup, red car" aria-label="Find objects by name" title="Find objects by name (T)" value={text} onInput={(event) => setText(event.currentTarget.value)} />
    </form>
  );
}
