/** Train on what was labelled: choose the data and the length, start, follow, stop, and label with the result. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Learns, TrainingData, TrainingRequest, TrainingRun } from "../api/types";
import { chooseModel, ended, isLearning, missing, NAME, startTraining, stopTraining, trainingData, writeData, type Prepared } from "../state/training";
import { counted } from "../state/status";
import { models, training } from "../state/store";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { ModelChoice } from "./ModelChoice";

type Unit = "minutes" | "steps" | "epochs";
export function TrainingDialog() {
  const run = training.value;
  return (
    <Dialog title="Train on what is labelled">
      {isLearning(run) ? <Progress run={run!} /> : <Setup />}
      {run && !isLearning(run) && <Ended run={run} />}
      <h3>Model</h3>
      <label class="row">
        <span class="dim">label with</span>
        <ModelChoice />
      </label>
    </Dialog>
  );
}

function Setup() {
  const [left, setLeft] = useState<ReadonlySet<number>>(new Set());
  const [data, setData] = useState<TrainingData | null>(null);
  const [what, setWhat] = useState<Learns>("decoder");
  const [name, setName] = useState("");
  const [amount, setAmount] = useState(5);
  const [unit, setUnit] = useState<Unit>("minutes");
  const [made, setMade] = useState<Prepared | null>(null);
  const labelled = (data?.classes ?? []).filter(({ objects }) => objects);
  const classes = labelled.filter(({ id }) => !left.has(id)).map(({ id }) => id);
  const load = async (chosen: readonly number[] | null) => {
    const found = await trainingData(chosen);
    if (found) setData(found);
  };
  useEffect(() => void load(null), []);
  const toggle = (id: number) => {
    const next = new Set(left);
    if (!next.delete(id)) next.add(id);
    const chosen = labelled.filter((row) => !next.has(row.id)).map((row) => row.id);
    setLeft(next);
    // No class at all is asked for as a class that does not exist: the server counts nothing.
    void load(chosen.length ? chosen : [-1]);
  };
  const request = (): TrainingRequest => ({ what, classes, [unit]: amount, ...(name.trim() ? { name: name.trim() } : {}) });
  const problem = data && missing(data, name.trim());
  return (
    <form
      class="training"
      onInput={() => setMade(null)}
      onSubmit={(event) => {
        event.preventDefault();
        if (data && !problem) void startTraining(request());
      }}
    >
      <p>The accepted objects of all pictures that are not skipped teach the model. You can go on labelling meanwhile.</p>
      {labelled.length > 0 && (
        <fieldset class="learn-classes">
          <legend>Classes</legend>
          {labelled.map((row) => (
            <label key={row.id} class="check">
              <input type="checkbox" checked={!left.has(row.id)} onChange={() => toggle(row.id)} />
              <span class="ellipsis">{row.name}</span>
              <span class="dim">
                {counted(row.objects, "object")} on {counted(row.pictures, "picture")}
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <div class="fields">
        <label>
          <span>What learns</span>
          <select class="field" value={what} onChange={(event) => setWhat(event.currentTarget.value as Learns)}>
            <option value="decoder">decoder of masks (fast)</option>
            <option value="hq">HQ part only (fast; SAM's own masks stay)</option>
            <option value="lora">decoder and small parts of the encoder (slow)</option>
            <option value="all">everything (slowest)</option>
          </select>
        </label>
        <label>
          <span>How long</span>
          <span class="row">
            <input class="field small" type="number" required min={unit === "steps" ? 1 : 0.1} max={10000} step={unit === "steps" ? 1 : "any"} aria-label="Length of the training" value={amount} onInput={(event) => setAmount(event.currentTarget.valueAsNumber || 0)} />
            <select class="field" aria-label="Unit of the length" value={unit} onChange={(event) => setUnit(event.currentTarget.value as Unit)}>
              <option value="minutes">minutes</option>
              <option value="steps">steps</option>
              <option value="epochs">rounds over all pictures</option>
            </select>
          </span>
        </label>
        <label>
          <span>Name of the new model</span>
          <input class="field" type="text" placeholder="run" maxLength={60} pattern={NAME} title="Letters, digits, spaces, - and _" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
      </div>
      {data && (
        <p role="status" class={problem ? "problem" : "dim"}>
          {problem ?? `${counted(data.objects, "object")} on ${counted(data.pictures, "picture")} will be used. More pictures make a better model.`}
        </p>
      )}
      <div class="row">
        <Button label="Show the command" disabled={!classes.length} onClick={() => void writeData(request()).then(setMade)}>
          Show the command
        </Button>
        <button type="submit" class="button wide strong" disabled={!data || !!problem || !(amount > 0)}>
          Start training
        </button>
      </div>
      {made && (
        <div role="status">
          <p>The data set is written. This command does the same in a terminal:</p>
          <textarea class="field command" readOnly rows={5} aria-label="Command" value={made.command} onFocus={(event) => event.currentTarget.select()} />
        </div>
      )}
    </form>
  );
}

function Progress({ run }: { run: TrainingRun }) {
  const first = useRef<HTMLParagraphElement>(null);
  useEffect(() => first.current!.focus(), []);
  const percent = Math.round(run.fraction * 100);
  const stopping = run.state === "stopping";
  return (
    <div class="training">
      <p ref={first} tabIndex={-1} role="status">{stopping ? `“${run.name}” is being saved…` : run.step ? `“${run.name}” learns.` : `“${run.name}” is being prepared…`}</p>
      <div class="row">
        <progress class="learning" aria-label={`Training of ${run.name}`} max={100} {...(run.step ? { value: percent } : {})} />
        <span class="figure">{percent} %</span>
        <span class="figure dim">
          step {run.step}, {clock(run.seconds)}
        </span>
        <Button icon="close" label={stopping ? "Stop at once, without saving" : "Stop and keep what was learnt"} strong onClick={() => void stopTraining()}>
          {stopping ? "Stop at once" : "Stop"}
        </Button>
      </div>
      <Lines run={run} />
    </div>
  );
}

function Ended({ run }: { run: TrainingRun }) {
  const made = models.value.find(({ trained, name }) => trained && name === run.name);
  return (
    <div class="training">
      <h3>Last run</h3>
      <p role="status" class={run.state === "failed" ? "problem" : ""}>
        {ended(run)} It took {clock(run.seconds)}.
      </p>
      {made && !made.current && (
        <div class="row">
          <Button icon="check" label={`Label with ${run.name}`} onClick={() => void chooseModel(made.id)}>
            Label with “{run.name}”
          </Button>
        </div>
      )}
      <Lines run={run} open={run.state === "failed"} />
    </div>
  );
}

function Lines({ run, open }: { run: TrainingRun; open?: boolean }) {
  if (!run.lines.length) return null;
  return (
    <details open={open ?? false}>
      <summary>What it printed</summary>
      <pre class="lines" tabIndex={0} aria-label="Lines of the training">
        {run.lines.join("\n")}
      </pre>
    </details>
  );
}

/** Seconds as minutes and seconds. */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
}
