/** Twelve colours that people with any colour vision tell apart, each with an outline pattern, so that colour is never the only sign. */

export const NAMES: Readonly<Record<string, string>> = {
  "#e69f00": "orange",
  "#56b4e9": "sky blue",
  "#009e73": "green",
  "#f0e442": "yellow",
  "#0072b2": "blue",
  "#d55e00": "red",
  "#cc79a7": "pink",
  "#999933": "olive",
  "#88ccee": "light blue",
  "#aa4499": "purple",
  "#ddcc77": "sand",
  "#44aa99": "teal",
};
export const COLOURS = Object.keys(NAMES);

export const PATTERNS = ["solid", "dashed", "dotted"] as const;
export type Pattern = (typeof PATTERNS)[number];

/** Neighbours in the list differ in colour and in pattern; a colour comes back with another pattern. */
export function patternOf(index: number): Pattern {
  return PATTERNS[(index + Math.floor(index / COLOURS.length)) % PATTERNS.length]!;
}

export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

/** "#rrggbb" as a pixel of ImageData read as a little-endian 32-bit number, with alpha 0 to 255. */
export function pixel(colour: string, alpha: number): number {
  const value = Number.parseInt(colour.slice(1), 16);
  return ((alpha << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** Whether an outline shows its own colour at this place of the screen (else the light colour of gaps). */
export function drawn(pattern: number, x: number, y: number): boolean {
  if (pattern === 0) return true;
  return pattern === 1 ? ((x + y) & 15) < 10 : ((x + y) & 3) < 2;
}
