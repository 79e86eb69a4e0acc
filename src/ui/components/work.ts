import { useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { errorText } from "../i18n/errors.ts";

/** Runs the work of a form or a button, once at a time, and keeps its error. */
export function useWork() {
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);
  const run = async (work: () => Promise<unknown>) => {
    if (isBusy.value) return;
    isBusy.value = true;
    error.value = null;
    try {
      await work();
    } catch (cause) {
      error.value = cause;
    } finally {
      isBusy.value = false;
    }
  };
  /** Returns the handler of a form. */
  const onSubmit = (work: () => Promise<unknown>) => (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    void run(work);
  };
  /** Returns why the API rejected a parameter. */
  const errorOf = (parameter: string) => {
    if (error.value === null) return undefined;
    const { parameter: rejected, text, original } = errorText(error.value);
    return rejected === parameter ? (original ?? text) : undefined;
  };
  return { isBusy, error, run, onSubmit, errorOf };
}
