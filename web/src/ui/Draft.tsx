/** The object that is being made: its class, the candidate masks, HQ, accept and clear, and what mends a mask. */
import { chosenCandidate } from "../state/decoding";
import { clean } from "../state/painting";
import { clearDraft, commit, pick, setHq } from "../state/prompting";
import { whole } from "../state/status";
import * as store from "../state/store";
import type { Hq } from "../api/types";
import { Button } from "./Button";
import { ClassField } from "./ClassField";

export function DraftPanel() {
  const value = store.draft.value;
  return (
    <section class="panel" aria-labelledby="draft-title">
      <h2 id="draft-title">{title()}</h2>
      <ClassField />
      <Candidates />
      {store.info.value?.model.hq && <HqChoice />}
      <div class="row">
        <Button icon="check" label="Accept the mask" keys="Enter" strong disabled={!value} onClick={() => void commit()}>
          Accept
        </Button>
        <Button icon="close" label="Clear the prompt" keys="Esc" disabled={!value} onClick={clearDraft}>
          Clear
        </Button>
      </div>
      <Mend />
    </section>
  );
}

function title(): string {
  const { size } = store.selection.value;
  if (store.draft.value) return store.draft.value.object_id ? "Editing an object" : "New object";
  if (size > 1) return `${whole(size)} selected objects`;
  return size ? "Selected object" : "New object";
}

function Candidates() {
  const answer = store.decoded.value;
  const value = store.draft.value;
  if (value?.edited) return <p class="hint">Painted by hand. A point or a box goes on from here.</p>;
  if (!value && store.selection.value.size) return <p class="hint">Change its class, or mend it with the brush.</p>;
  if (!answer || !value) return <p class="hint">Click the object, or drag a box around it.</p>;
  const chosen = chosenCandidate(answer, value);
  return (
    <ul class="candidates" role="radiogroup" aria-label="Candidate masks">
      {answer.candidates.map((candidate, index) => (
        <li key={candidate.name} role="none">
          <button
            type="button"
            role="radio"
            class="candidate"
            aria-checked={index === chosen}
            title={`Candidate ${index + 1} (${index + 1}, Tab)`}
            onClick={() => pick(index)}
          >
            <kbd>{index + 1}</kbd>
            <span>{candidateName(candidate.name)}</span>
            <meter min={0} max={1} value={candidate.iou} aria-hidden="true" />
            <span class="figure" aria-label={`predicted IoU ${candidate.iou.toFixed(2)}`}>
              {candidate.iou.toFixed(2)}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function candidateName(name: string): string {
  if (name === "HQ") return "HQ";
  return name === "0" ? "SAM" : `SAM ${name}`;
}

const MODES: [Hq, string, string][] = [
  ["add", "HQ+SAM", "HQ's correction added to SAM's mask, as published"],
  ["only", "HQ", "HQ's mask alone"],
  ["off", "off", "SAM's masks only"],
];

function HqChoice() {
  return (
    <div class="segments" role="radiogroup" aria-label="HQ (H)">
      {MODES.map(([mode, label, about]) => (
        <button key={mode} type="button" role="radio" class="segment" aria-checked={store.hq.value === mode} title={`${about} (H)`} onClick={() => setHq(mode)}>
          {label}
        </button>
      ))}
    </div>
  );
}

function Mend() {
  const able = store.draft.value !== null || store.selection.value.size > 0;
  return (
    <div class="row mend">
      <Button icon="holes" label="Fill holes up to this size" keys="Shift+F" disabled={!able} onClick={() => void clean("holes")} />
      <Button icon="specks" label="Drop specks up to this size" keys="Shift+S" disabled={!able} onClick={() => void clean("specks")} />
      <label class="row">
        <span class="dim">up to</span>
        <input
          class="field small"
          type="number"
          min={1}
          max={1_000_000}
          value={store.cleaning.value}
          aria-label="Largest hole or speck in pixels"
          onChange={(event) => (store.cleaning.value = Math.max(1, Number(event.currentTarget.value) || 1))}
        />
        <span class="dim">px</span>
      </label>
    </div>
  );
}
