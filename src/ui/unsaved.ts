import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Whether each form of the current page has changes. */
const forms = new Set<() => boolean>();
/** The address that waits for a decision: to leave a form with changes, or to stay. */
export const leaving = signal<string | null>(null);

addEventListener("beforeunload", (event) => {
  if (hasUnsaved()) event.preventDefault();
});

/** Whether a form of the current page has changes that are not saved. */
export function hasUnsaved(): boolean {
  return [...forms].some((isChanged) => isChanged());
}

/** Drops the changes of all forms. */
export function dropUnsaved(): void {
  forms.clear();
}

/**
 * Asks before the page is left while the values of a form differ from those it started with.
 * @returns a function that takes the current values as saved
 */
export function useUnsaved(values: ReadonlySignal<object>): () => void {
  const current = () => JSON.stringify(values.peek());
  const saved = useRef<string | null>(null);
  saved.current ??= current();
  useEffect(() => {
    const isChanged = () => current() !== saved.current;
    forms.add(isChanged);
    return () => void forms.delete(isChanged);
  }, []);
  return () => {
    saved.current = current();
  };
}
