/** A modal dialog: the browser's own, so that focus stays inside and Esc closes it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { dialog } from "../state/store";
import { Button } from "./Button";

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
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
