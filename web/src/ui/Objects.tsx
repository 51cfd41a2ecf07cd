/** The objects of the picture. Only the rows in sight are in the document, so thousands cost nothing. */
import { useEffect, useRef, useState } from "preact/hooks";
import { remove, toggle } from "../keys";
import { patternOf } from "../palette";
import { show } from "../stage/looking";
import { editObject } from "../state/prompting";
import { whole } from "../state/status";
import * as store from "../state/store";
import type { LabelObject, Overlap } from "../api/types";
import { Button } from "./Button";
import { Icon } from "./icons";
import { Swatch } from "./Swatch";

const ROW = 32;
const SPARE = 6;

export function ObjectsPanel() {
  const count = store.objects.value.length;
  return (
    <section class="panel grow" aria-labelledby="objects-title">
      <h2 id="objects-title">
        Objects <span class="dim figure">{whole(count)}</span>
      </h2>
      <ObjectList />
      <div class="row">
        <select class="field" aria-label="Pixels that two objects share" title="What happens to pixels that two objects share" value={store.overlap.value} onChange={(event) => (store.overlap.value = event.currentTarget.value as Overlap)}>
          <option value="keep">overlaps: keep both</option>
          <option value="newest">overlaps: newest wins</option>
          <option value="oldest">overlaps: oldest wins</option>
        </select>
        <Button icon="trash" label="Delete the selected objects" keys="Delete" disabled={!store.selection.value.size} onClick={() => remove()} />
      </div>
    </section>
  );
}

function ObjectList() {
  const element = useRef<HTMLDivElement>(null);
  const [window_, setWindow] = useState({ top: 0, height: 400 });
  const rows = [...store.objects.value].reverse();
  const active = rows.findIndex(({ id }) => store.selection.value.has(id));
  const observe = () => {
    const { scrollTop, clientHeight } = element.current!;
    setWindow({ top: scrollTop, height: clientHeight });
  };
  useEffect(() => {
    const observer = new ResizeObserver(observe);
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  const chosen = active === -1 ? null : rows[active]!.id;
  useEffect(() => {
    const { current } = element;
    if (!current || active === -1) return;
    if (active * ROW < current.scrollTop) current.scrollTop = active * ROW;
    else if ((active + 1) * ROW > current.scrollTop + current.clientHeight) current.scrollTop = (active + 1) * ROW - current.clientHeight;
  }, [chosen]);
  const first = Math.max(0, Math.floor(window_.top / ROW) - SPARE);
  const last = Math.min(rows.length, Math.ceil((window_.top + window_.height) / ROW) + SPARE);
  return (
    <div
      ref={element}
      class="objects"
      role={rows.length ? "listbox" : "group"}
      aria-label="Objects"
      aria-multiselectable={rows.length ? "true" : undefined}
      tabIndex={0}
      aria-activedescendant={chosen && active >= first && active < last ? `object-${chosen}` : undefined}
      onScroll={observe}
      onKeyDown={(event) => listKey(event, rows, active)}
    >
      {rows.length === 0 && <p class="hint">Accepted masks are listed here.</p>}
      <Spacer rows={first} />
      {rows.slice(first, last).map((object, i) => (
        <ObjectRow key={object.id} object={object} position={first + i + 1} count={rows.length} />
      ))}
      <Spacer rows={rows.length - last} />
    </div>
  );
}

function Spacer({ rows }: { rows: number }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => element.current!.style.setProperty("height", `${rows * ROW}px`), [rows]);
  return <div ref={element} role="presentation" />;
}

function ObjectRow({ object, position, count }: { object: LabelObject; position: number; count: number }) {
  const name = store.classOf(object.class_id)?.name ?? "no class";
  const score = object.score === null ? "" : `, IoU ${object.score.toFixed(2)}`;
  const rest = ` px${score}${object.hidden ? ", hidden" : ""}${object.locked ? ", locked" : ""}`;
  return (
    <div
      id={`object-${object.id}`}
      class="object"
      role="option"
      aria-selected={store.selection.value.has(object.id)}
      aria-setsize={count}
      aria-posinset={position}
      onClick={(event) => choose(object, event)}
      onDblClick={() => editObject(object)}
    >
      <Swatch colour={store.colourOfObject(object)} pattern={patternOf(store.lookOf(object))} />
      <span class="ellipsis name">{name}</span>
      <span class="unseen">, </span>
      <span class="figure dim">{whole(object.area)}</span>
      <span class="unseen">{rest}</span>
      <RowButton icon={object.hidden ? "hidden" : "eye"} on={object.hidden} title={object.hidden ? "Show (I)" : "Hide (I)"} act={() => toggle("hidden", [object.id])} />
      <RowButton icon={object.locked ? "lock" : "unlocked"} on={object.locked} title={object.locked ? "Unlock (L)" : "Lock (L)"} act={() => toggle("locked", [object.id])} />
    </div>
  );
}

/** For the mouse; the keyboard has the keys that the titles name, and the row's text says the state. */
function RowButton({ icon, on, title, act }: { icon: "eye" | "hidden" | "lock" | "unlocked"; on: boolean; title: string; act: () => void }) {
  return (
    <span
      class={`row-button ${on ? "on" : ""}`}
      title={title}
      aria-hidden="true"
      onClick={(event) => {
        event.stopPropagation();
        act();
      }}
    >
      <Icon name={icon} size={16} />
    </span>
  );
}

function choose(object: LabelObject, event: MouseEvent): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey) {
    const next = new Set(store.selection.value);
    if (!next.delete(object.id)) next.add(object.id);
    store.selection.value = next;
  } else store.selection.value = new Set([object.id]);
  reveal(object);
}

function reveal({ bbox: [x, y, w, h] }: LabelObject): void {
  show(x + w / 2, y + h / 2);
}

function listKey(event: KeyboardEvent, rows: readonly LabelObject[], active: number): void {
  const page = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -rows.length, End: rows.length }[event.key];
  if (event.key === "Enter") {
    const object = rows[active];
    if (object) editObject(object);
    document.querySelector<HTMLElement>("[data-stage]")?.focus();
  } else if (page !== undefined && rows.length) {
    const next = rows[Math.min(rows.length - 1, Math.max(0, active + page))]!;
    store.selection.value = new Set(event.shiftKey ? [...store.selection.value, next.id] : [next.id]);
    reveal(next);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}
