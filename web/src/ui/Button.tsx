/** A button with an icon; its title names its key. */
import type { ComponentChildren } from "preact";
import { titled } from "../keys";
import { Icon, type IconName } from "./icons";

interface Props {
  icon?: IconName;
  label: string;
  keys?: string;
  pressed?: boolean;
  disabled?: boolean;
  quiet?: boolean;
  strong?: boolean;
  children?: ComponentChildren;
  onClick: (event: MouseEvent) => void;
}

export function Button({ icon, label, keys, pressed, disabled, quiet, strong, children, onClick }: Props) {
  const kind = [children ? "wide" : "square", quiet && "quiet", strong && "strong"].filter(Boolean).join(" ");
  return (
    <button
      type="button"
      class={`button ${kind}`}
      title={keys ? titled(label, keys) : label}
      aria-label={children ? undefined : label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}
