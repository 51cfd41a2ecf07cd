/** The page's colours keep the contrasts of WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for parts that are no text. */
import { expect, test } from "vitest";
import css from "./tokens.css?raw";
import panels from "./panels.css?raw";

type Rgb = [number, number, number];

function parse(colour: string): Rgb {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) as Rgb;
}

/** Source: WCAG 2.2, relative luminance. */
function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function mixed(over: Rgb, under: Rgb, share: number): Rgb {
  return over.map((value, i) => value * share + under[i]! * (1 - share)) as Rgb;
}

const THEMES = ["light", "dark"] as const;
const COLOURS = new Map([...css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [name!, { light: parse(light!), dark: parse(dark!) }]));
const colour = (name: string, theme: (typeof THEMES)[number]): Rgb => COLOURS.get(name)![theme];

test("black on white", () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
  expect(contrast(parse("#777777"), parse("#ffffff"))).toBeCloseTo(4.48, 2);
});

const GROUNDS = ["surface", "raised", "sunken", "accent-soft"];
const TEXT = [...["text", "dim"].flatMap((name) => GROUNDS.map((ground) => [name, ground])), ["text", "ground"], ["bad", "surface"], ["on-accent", "accent"]] as [string, string][];
const PARTS = [...["strong-line", "good", "warn", "bad", "accent", "add", "subtract"].flatMap((name) => ["surface", "raised"].map((ground) => [name, ground]))] as [string, string][];

for (const theme of THEMES) {
  test.each(TEXT)(`${theme}: text of colour %s on %s`, (name, ground) => {
    expect(contrast(colour(name, theme), colour(ground, theme))).toBeGreaterThanOrEqual(4.5);
  });

  test.each(PARTS)(`${theme}: a part of colour %s on %s`, (name, ground) => {
    expect(contrast(colour(name, theme), colour(ground, theme))).toBeGreaterThanOrEqual(3);
  });

  test(`${theme}: the faint buttons in the list of objects`, () => {
    const share = Number(/\.row-button \{[^}]*opacity: ([\d.]+)/.exec(panels)![1]);
    const ground = colour("surface", theme);
    expect(contrast(mixed(colour("dim", theme), ground, share), ground)).toBeGreaterThanOrEqual(3);
  });
}
