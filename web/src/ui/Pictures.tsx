/** All pictures of the folder: find one, see what is done. */
import { useEffect, useState } from "preact/hooks";
import { refreshPictures, rescan } from "../state/pictures";
import { beat } from "../state/presence";
import { failed, whole } from "../state/status";
import * as store from "../state/store";
import type { Picture } from "../api/types";
import { Dialog } from "./Dialog";
import { Thumbnail } from "./Thumbnail";

const MORE = 200;
/** How many pictures before the open one are in the list at first. */
const BEFORE = 20;
const FILTERS: [string, string, (row: Picture) => boolean][] = [
  ["", "all", () => true],
  ["todo", "to do", ({ status }) => status === "todo"],
  ["doing", "doing", ({ status }) => status === "doing"],
  ["done", "done", ({ status }) => status === "done"],
  ["skip", "skip", ({ status }) => status === "skip"],
  ["bare", "done, without objects", ({ status, n_objects }) => status === "done" && n_objects === 0],
  ["broken", "cannot be opened", ({ error }) => !!error],
];

export function Pictures() {
  const [text, setText] = useState("");
  const [filter, setFilter] = useState("");
  const current = store.pictures.value.findIndex(({ id }) => id === store.pictureId.value);
  const [shown, setShown] = useState({ from: Math.max(0, current - BEFORE), to: current + MORE });
  useEffect(() => {
    // Others may have labelled meanwhile, and files may have been added to the folder.
    void rescan().then(refreshPictures).catch(failed);
    void beat();
    requestAnimationFrame(() => document.querySelector(".thumbnail[aria-current]")?.scrollIntoView({ block: "center" }));
  }, []);
  const fits = FILTERS.find(([name]) => name === filter)![2];
  const rows = store.pictures.value.filter((row) => row.name.toLowerCase().includes(text.toLowerCase()) && fits(row));
  const search = (change: () => void) => {
    change();
    setShown({ from: 0, to: MORE });
  };
  const done = store.pictures.value.filter((row) => row.status === "done").length;
  return (
    <Dialog title={`Pictures: ${done} of ${store.pictures.value.length} done`} wide>
      <div class="row">
        <input class="field" type="search" placeholder="name" aria-label="Name of the picture" value={text} onInput={(event) => search(() => setText(event.currentTarget.value))} />
        <select class="field" aria-label="Status" value={filter} onChange={(event) => search(() => setFilter(event.currentTarget.value))}>
          {FILTERS.map(([name, label]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
      </div>
      {!rows.length && <p class="dim">{store.pictures.value.length ? "No picture has this name and status." : "No pictures yet. Drop some on the page, or import them."}</p>}
      {shown.from > 0 && (
        <div class="row more">
          <button type="button" class="button wide" onClick={() => setShown({ ...shown, from: Math.max(0, shown.from - MORE) })}>
            Show earlier ones
          </button>
        </div>
      )}
      <ul class="thumbnails">
        {rows.slice(shown.from, shown.to).map((row) => (
          <li key={row.id}>
            <Thumbnail row={row} />
          </li>
        ))}
      </ul>
      {rows.length > shown.to && (
        <div class="row more">
          <span class="dim">
            {whole(shown.from + 1)} to {whole(shown.to)} of {whole(rows.length)}
          </span>
          <button type="button" class="button wide" onClick={() => setShown({ ...shown, to: shown.to + MORE })}>
            Show more
          </button>
        </div>
      )}
    </Dialog>
  );
}
