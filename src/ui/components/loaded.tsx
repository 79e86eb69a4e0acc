import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { common } from "../i18n/common.ts";
import { ErrorNotice } from "./notice.tsx";

/** A value from the API that is being loaded. */
interface Loading<T> {
  /** `undefined` until it is there. */
  readonly value: Signal<T | undefined>;
  readonly error: Signal<unknown>;
  /** Loads it again; the old value stays until the new one is there. */
  reload(): Promise<void>;
}

/** Loads a value when the component appears, and again every `everyMs` while the tab is visible. */
export function useLoading<T>(load: () => Promise<T>, everyMs?: number): Loading<T> {
  const value = useSignal<T | undefined>(undefined);
  const error = useSignal<unknown>(null);
  const latest = useRef(0);
  const reload = async () => {
    latest.current += 1;
    const run = latest.current;
    try {
      const loaded = await load();
      // With other filters, a later run may be faster.
      if (run !== latest.current) return;
      value.value = loaded;
      error.value = null;
    } catch (cause) {
      if (run === latest.current) error.value = cause;
    }
  };
  useEffect(() => {
    void reload();
    if (everyMs === undefined) return;
    const timer = setInterval(() => {
      if (!document.hidden) void reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, []);
  return { value, error, reload };
}

interface LoadedProps<T> {
  readonly from: Loading<T>;
  readonly children: (value: T) => ComponentChildren;
}

/** Shows a loaded value, or why there is none. */
export function Loaded<T>({ from: { value, error, reload }, children }: LoadedProps<T>) {
  const t = common();
  return (
    <>
      {error.value !== null && (
        <>
          <ErrorNotice error={error.value} />
          <button type="button" onClick={() => void reload()}>
            {t.retry}
          </button>
        </>
      )}
      {value.value !== undefined
        ? children(value.value)
        : error.value === null && <p class="faint">{t.loading}</p>}
    </>
  );
}
