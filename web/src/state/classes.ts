/** The classes of the project. */
import { ask, askJson } from "../api/client";
import type { LabelClass } from "../api/types";
import { colourOf } from "../palette";
import { refreshClasses } from "./commands";
import { chooseClass } from "./prompting";
import { failed } from "./status";
import { classes, classId, objects } from "./store";

/** Chooses the class of this name; makes it where there is none. */
export async function chooseOrMake(name: string): Promise<void> {
  const wanted = name.trim();
  if (!wanted || chooseNamed(wanted)) return;
  try {
    const made = await askJson<LabelClass>("/classes", { json: { name: wanted, colour: colourOf(classes.value.length) } });
    await refreshClasses();
    chooseClass(made.id);
  } catch (error) {
    await refreshClasses().catch(failed);
    // Somebody else may have made it a moment ago.
    if (!chooseNamed(wanted)) failed(error);
  }
}

function chooseNamed(name: string): boolean {
  const known = classes.value.find((row) => row.name.toLowerCase() === name.toLowerCase());
  if (known) chooseClass(known.id);
  return known !== undefined;
}

export async function changeClass(id: number, changes: Partial<Pick<LabelClass, "name" | "colour">>): Promise<void> {
  try {
    await ask(`/classes/${id}`, { method: "PATCH", json: changes });
  } catch (error) {
    failed(error);
  }
  await refreshClasses();
}

/** Removes a class; its objects go to `moveTo` first, where it is given. */
export async function removeClass(id: number, moveTo: number | null): Promise<boolean> {
  try {
    await ask(`/classes/${id}${moveTo === null ? "" : `?move_to=${moveTo}`}`, { method: "DELETE" });
    if (classId.value === id) classId.value = moveTo ?? classes.value.find((row) => row.id !== id)?.id ?? null;
    objects.value = objects.value.map((object) => (object.class_id === id ? { ...object, class_id: moveTo } : object));
    await refreshClasses();
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}
