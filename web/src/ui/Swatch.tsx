/** A class's colour with its outline pattern. */
import { useEffect, useRef } from "preact/hooks";
import type { Pattern } from "../palette";

export function Swatch({ colour, pattern }: { colour: string; pattern: Pattern }) {
  const element = useRef<HTMLSpanElement>(null);
  // Set through the object model: the page's policy allows no styles in markup.
  useEffect(() => element.current!.style.setProperty("--swatch", colour), [colour]);
  return <span ref={element} class={`swatch ${pattern}`} aria-hidden="true" />;
}
