/** A modal dialog: the browser's own, so that focus stays inside and Esc closes it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { dialog, status } from "../state/store";
import { Button } from "./Button";

/** What went wrong since the dialog was opened. The status line says it too, but lies behind the dialog. */
function Failure() {
  const [before] = useState(status.value);
  const { kind, text } = status.value;
  if (kind !== "error" || status.value === before) return null;
  return (
    <p role="alert" class="problem">
      {text}
    </p>
  );
}

export function Dialog({ title, wide, children }: { title: string; wide?: boolean; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current!.showModal();
    return () => before?.focus?.();
  }, []);
  const close = () => (dialog.value = null);
  return (
    <dialog
      ref={element}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby="dialog-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === element.current) close();
      }}
    >
      <div class="dialog-head">
        <h2 id="dialog-title">{title}</h2>
        <Button icon="close" label="Close" keys="Esc" quiet onClick={close} />
      </div>
      <div class="dialog-body">
        {children}
        <Failure />
      </div>
    </dialog>
  );
}
