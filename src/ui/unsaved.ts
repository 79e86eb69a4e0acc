import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Whether each form of the current page has changes. */
const forms = new Set<() => boolean>();
/** Waits for a decision: to leave a form with changes by this function, or to stay. `null` if nothing waits. */
export const leaving = signal<(() => void) | null>(null);

addEventListener("beforeunload", (event) => {
  if (hasUnsaved()) event.preventDefault();
});

/** Leaves the current page by `leave`, and asks first if a form has changes that are not saved. */
export function leavePage(leave: () => void): void {
  if (hasUnsaved()) leaving.value = leave;
  else leave();
}

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
