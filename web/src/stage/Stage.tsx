/** The picture with its layers, the keyboard's focus on it, and the small map in the corner. */
import { useEffect, useRef } from "preact/hooks";
import { Gestures } from "./gestures";
import { press } from "./keyboard";
import { Minimap } from "./Minimap";
import { LAYERS, Painter } from "./painter";
import { finish } from "../state/pictures";
import { cursor, dialog, encoding, picture, pictures, pictureSize, pointer, stageSize, tool } from "../state/store";

/** The painter of the mounted stage. */
let painter: Painter | null = null;

export function Stage() {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => mount(element.current!), []);
  const open = picture.value;
  return (
    <div
      ref={element}
      class="stage"
      data-stage
      data-tool={tool.value}
      tabIndex={0}
      role="application"
      aria-label={open ? `Picture ${open.name}` : "No picture"}
      aria-describedby="stage-help"
    >
      {LAYERS.map((name) => (
        <canvas key={name} class={`layer layer-${name}`} data-layer={name} aria-hidden="true" />
      ))}
      <p id="stage-help" class="unseen">
        Arrow keys move the cursor, Space adds a point, Backspace subtracts one, Enter accepts the mask, question mark lists all keys.
      </p>
      {open && (open.error || !pictureSize.value) && <Broken />}
      {!open && <Nothing />}
      {encoding.value && <Encoding />}
      <Minimap whole={() => painter?.tiles?.whole ?? null} />
    </div>
  );
}

/** Why a file cannot be labelled, and the way on. */
function Broken() {
  const { name, error } = picture.value!;
  return (
    <div class="stage-note">
      <p>
        <b>{name}</b> cannot be opened.
      </p>
      <p>{error ?? "It is no picture that samhq reads."}</p>
      <button type="button" class="button wide strong" title="Skip the picture (Shift+M)" onPointerDown={(event) => event.stopPropagation()} onClick={() => void finish("skip")}>
        Skip it
      </button>
    </div>
  );
}

/** What to do where no picture is open. */
function Nothing() {
  const none = pictures.value.length === 0;
  return (
    <div class="stage-note">
      <p>{none ? "No pictures yet. Drop some here, or" : "No picture is open."}</p>
      <button type="button" class="button wide strong" onPointerDown={(event) => event.stopPropagation()} onClick={() => (dialog.value = none ? "import" : "pictures")}>
        Choose pictures
      </button>
    </div>
  );
}

function Encoding() {
  const { stage, fraction } = encoding.value!;
  const words: Record<string, string> = { queued: "Waiting", loading: "Loading the model", reading: "Reading the picture", encoding: "Encoding" };
  const percent = Math.round(fraction * 100);
  return (
    <div class="stage-progress" role="progressbar" aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100} aria-label="Encoding the picture">
      <span>
        {words[stage] ?? stage} {percent} %
      </span>
      <progress max={100} value={percent} aria-hidden="true" />
    </div>
  );
}

function mount(element: HTMLDivElement): () => void {
  const canvases = Object.fromEntries(LAYERS.map((name) => [name, element.querySelector<HTMLCanvasElement>(`[data-layer=${name}]`)!]));
  painter = new Painter(canvases as Record<(typeof LAYERS)[number], HTMLCanvasElement>);
  const gestures = new Gestures(element, painter);
  const measure = () => {
    const { clientWidth, clientHeight } = element;
    if (clientWidth !== stageSize.value.width || clientHeight !== stageSize.value.height) {
      stageSize.value = { width: clientWidth, height: clientHeight };
    }
  };
  const observer = new ResizeObserver(measure);
  observer.observe(element);
  measure();
  const stopKeys = watchSpace(element, gestures);
  return () => {
    observer.disconnect();
    stopKeys();
    gestures.stop();
    painter?.stop();
    painter = null;
  };
}

/** Space held moves the picture with the mouse; pressed and released it is the keyboard's click. */
function watchSpace(element: HTMLElement, gestures: Gestures): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  const concerns = ({ key, target }: KeyboardEvent) => key === " " && (target === document.body || (element.contains(target as Node) && !(target as Element).closest("button")));
  window.addEventListener(
    "keydown",
    (event) => {
      if (!concerns(event)) return;
      event.preventDefault();
      if (event.repeat) return;
      gestures.spaceHeld = true;
      gestures.spaceUsed = false;
      element.dataset["space"] = "";
    },
    { signal },
  );
  window.addEventListener(
    "keyup",
    (event) => {
      if (event.key !== " " || !gestures.spaceHeld) return;
      gestures.spaceHeld = false;
      delete element.dataset["space"];
      if (!gestures.spaceUsed && (cursor.value || !pointer.value)) press(false);
    },
    { signal },
  );
  return () => controller.abort();
}
