/** Signals whose values this browser keeps for the next visit. */
import { effect, signal, type Signal } from "@preact/signals";

export function kept<T>(name: string, initial: T): Signal<T> {
  const key = `samhq-${name}`;
  const value = signal<T>(read(key, initial));
  if (typeof localStorage !== "undefined") effect(() => localStorage.setItem(key, JSON.stringify(value.value)));
  return value;
}

function read<T>(key: string, initial: T): T {
  if (typeof localStorage === "undefined") return initial;
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? "null") as T | null;
    return found !== null && typeof found === typeof initial ? found : initial;
  } catch {
    return initial;
  }
}
