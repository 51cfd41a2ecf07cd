import { describe, expect, it } from "vitest";
import { BINDINGS } from "./keys";

const press = (key: string, code = "", held: Partial<KeyboardEvent> = {}) =>
  ({ key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held }) as KeyboardEvent;
const heard = (event: KeyboardEvent) => BINDINGS.filter((binding) => binding.matches(event)).map(({ keys }) => keys);

describe("keys", () => {
  it.each([
    [press("b"), ["B"]],
    [press("z", "KeyZ", { ctrlKey: true }), ["Ctrl+Z"]],
    [press("Z", "KeyZ", { ctrlKey: true, shiftKey: true }), ["Ctrl+Shift+Z"]],
    [press("y", "KeyY", { ctrlKey: true }), ["Ctrl+Shift+Z"]],
    [press("3", "Digit3"), ["1 – 4"]],
    [press("#", "Digit3", { shiftKey: true }), ["Shift+1 – 9"]],
    [press("Enter", "Enter"), ["Enter"]],
    [press("Enter", "Enter", { shiftKey: true }), ["Shift+Enter"]],
    [press("ArrowLeft", "ArrowLeft", { ctrlKey: true }), ["Arrows"]],
    [press("?", "Slash", { shiftKey: true }), ["?"]],
    [press("r", "KeyR", { ctrlKey: true }), []],
    [press("0", "Digit0"), ["0"]],
  ])("one binding hears a key %#", (event, expected) => {
    expect(heard(event)).toEqual(expected);
  });

  it("no two bindings of letters share one", () => {
    for (const letter of "abcdefghijklmnopqrstuvwxyz") {
      expect(heard(press(letter)).length).toBeLessThanOrEqual(1);
      expect(heard(press(letter.toUpperCase(), "", { shiftKey: true })).length).toBeLessThanOrEqual(1);
    }
  });
});
