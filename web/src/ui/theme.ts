/** Light, dark, or as the system has it. */
import { effect } from "@preact/signals";
import { kept } from "../state/kept";

export const theme = kept<"system" | "light" | "dark">("theme", "system");

export function nextTheme(): void {
  theme.value = ({ system: "light", light: "dark", dark: "system" } as const)[theme.value];
}

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  });
}
