/** The page. */
import { useEffect, useState } from "preact/hooks";
import { Stage } from "../stage/Stage";
import { upload } from "../state/files";
import { announcement, dialog } from "../state/store";
import { Classes } from "./Classes";
import { DraftPanel } from "./Draft";
import { Export } from "./Export";
import { Header } from "./Header";
import { Help } from "./Help";
import { Import } from "./Import";
import { ObjectsPanel } from "./Objects";
import { Pictures } from "./Pictures";
import { StatusBar } from "./StatusBar";
import { Tools } from "./Tools";
import { TrainingDialog } from "./TrainingDialog";
import { ViewPanel } from "./ViewPanel";

const DIALOGS = { help: Help, export: Export, import: Import, pictures: Pictures, classes: Classes, training: TrainingDialog };

export function App() {
  const [sheet, setSheet] = useState(false);
  useEffect(dropPictures, []);
  const Open = dialog.value ? DIALOGS[dialog.value] : null;
  return (
    <div class="app">
      <Header />
      <main class="work">
        <Tools />
        <Stage />
        <aside class={`side ${sheet ? "open" : ""}`} aria-label="Objects and masks">
          <button type="button" class="sheet-handle" aria-expanded={sheet} onClick={() => setSheet(!sheet)}>
            <span aria-hidden="true" class="sheet-grip" />
            {sheet ? "Less" : "Objects and masks"}
          </button>
          <DraftPanel />
          <ObjectsPanel />
          <ViewPanel />
        </aside>
      </main>
      <StatusBar />
      <p class="unseen" role="status" aria-live="polite">
        {announcement.value}
      </p>
      {Open && <Open />}
    </div>
  );
}

/** Pictures dropped anywhere on the page are added. */
function dropPictures(): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  window.addEventListener("dragover", (event) => event.preventDefault(), { signal });
  window.addEventListener(
    "drop",
    (event) => {
      event.preventDefault();
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length) void upload(files);
    },
    { signal },
  );
  return () => controller.abort();
}
