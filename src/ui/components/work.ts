import { useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { errorText } from "../i18n/errors.ts";
import { useUnsaved } from "../unsaved.ts";

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
  const onSubmit = (work: () => Promise<unknown>) => async (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    await run(work);
    requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
  };
  /** Returns why the API rejected a parameter. */
  const errorOf = (parameter: string) => {
    if (error.value === null) return undefined;
    const { parameter: rejected, text, original } = errorText(error.value);
    if (rejected !== parameter) return undefined;
    return original === null ? text : `${text} (${original})`;
  };
  return { isBusy, error, run, onSubmit, errorOf };
}

/** The error of a form that none of its fields shows. */
export function unboundError(error: unknown, names: readonly string[]): unknown {
  const { parameter } = errorText(error);
  return parameter !== null && names.includes(parameter) ? null : error;
}

/**
 * Keeps the values of a form with the work that sends them.
 * @param labels texts by the names of the values
 * @param parameters parameters of the API by the names of values, where they differ
 */
export function useForm<T extends object>(
  initial: T,
  labels: Readonly<Record<keyof T, string>>,
  parameters?: Readonly<Partial<Record<keyof T, string>>>,
) {
  const values = useSignal(initial);
  const { isBusy, error, onSubmit: submit, errorOf } = useWork();
  const markSaved = useUnsaved(values);
  const onSubmit = (work: () => Promise<unknown>) =>
    submit(async () => {
      await work();
      markSaved();
    });
  const parameterOf = (name: keyof T & string): string => parameters?.[name] ?? name;
  /** Returns the properties that connect an input with a value. */
  const bind = <K extends keyof T & string>(name: K) => ({
    label: labels[name],
    value: values.value[name],
    onChange: (value: T[K]) => {
      values.value = { ...values.peek(), [name]: value };
    },
    error: errorOf(parameterOf(name)),
  });
  const names = [...Object.keys(initial), ...Object.values<string | undefined>(parameters ?? {})];
  const known = names.filter((name) => name !== undefined);
  return { values, bind, isBusy, onSubmit, error: error.value && unboundError(error.value, known) };
}
