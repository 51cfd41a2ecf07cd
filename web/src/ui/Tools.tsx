/** The tools, down the left side (below the picture on a phone). */
import { chooseTool, resizeBrush } from "../keys";
import { actualSize, fitPicture, zoomBy } from "../stage/looking";
import * as store from "../state/store";
import type { Tool } from "../state/store";
import { Button } from "./Button";
import type { IconName } from "./icons";

const TOOLS: [Tool, IconName, string, string][] = [
  ["point", "point", "Points", "P"],
  ["box", "box", "Box", "R"],
  ["scribble", "scribble", "Scribble", "S"],
  ["brush", "brush", "Brush", "B"],
  ["eraser", "eraser", "Eraser", "E"],
  ["select", "select", "Select", "V"],
];

export function Tools() {
  const painting = store.tool.value === "brush" || store.tool.value === "eraser";
  return (
    <div class="tools" role="toolbar" aria-label="Tools" aria-orientation="vertical">
      {TOOLS.map(([name, icon, label, keys]) => (
        <Button key={name} icon={icon} label={label} keys={keys} pressed={store.tool.value === name} onClick={() => chooseTool(name)} />
      ))}
      <hr />
      <button
        type="button"
        class={`button square sign ${store.subtracting.value ? "subtract" : "add"}`}
        role="switch"
        aria-checked={store.subtracting.value}
        aria-label="Clicks subtract"
        title={store.subtracting.value ? "Clicks subtract; switch to adding (Q)" : "Clicks add; switch to subtracting (Q)"}
        onClick={() => (store.subtracting.value = !store.subtracting.value)}
      >
        {store.subtracting.value ? "−" : "+"}
      </button>
      {painting && (
        <div class="brush-size" role="group" aria-label="Brush size">
          <Button icon="plus" label="Larger brush" keys="]" quiet onClick={() => resizeBrush(1.25)} />
          <output title="Diameter of the brush in pixels of the picture">{Math.round(store.brushRadius.value * 2)}</output>
          <Button icon="minus" label="Smaller brush" keys="[" quiet onClick={() => resizeBrush(1 / 1.25)} />
        </div>
      )}
      <div class="spring" />
      <Button icon="plus" label="Zoom in" keys="+" quiet onClick={() => zoomBy(1.25)} />
      <Button icon="minus" label="Zoom out" keys="−" quiet onClick={() => zoomBy(1 / 1.25)} />
      <Button icon="fit" label="Fit the picture" keys="F" quiet onClick={fitPicture} />
      <button type="button" class="button square quiet one" title="One to one (0)" aria-label="1:1, one to one" onClick={actualSize}>
        1:1
      </button>
    </div>
  );
}
