import { signal } from "@preact/signals";
import { ApiError, api, call } from "./api.ts";
import type { Notices } from "./i18n/notices.ts";
import { type Form, type FormValues, NEW_VALUES, toParameters, toValues } from "./server-form.ts";

/** The definition that was saved last, for the page that opens next. */
export const lastSaved = signal<{ readonly name: string; readonly detail: Notices | undefined } | null>(null);

/** A change to a form that another page proposes, such as the remedy of a failed test. */
export const proposal = signal<{
  readonly name: string;
  readonly field: string;
  readonly values: Partial<FormValues>;
} | null>(null);

/** A stored definition with its version. */
export interface StoredValues {
  readonly values: FormValues;
  readonly etag: string | null;
}

/** Returns the values of a stored definition, or of a new one. */
export async function loadValues(name: string | undefined): Promise<StoredValues> {
  if (name === undefined) return { values: NEW_VALUES, etag: null };
  const param = { identifier: encodeURIComponent(name) };
  const { value, detail, etag } = await call(
    api.smtpserver[":identifier"].$get({ param, query: { censor: "1" } }),
  );
  if (detail === undefined) throw new ApiError(0, 0, "");
  return { values: toValues(name, value, detail), etag };
}

/**
 * Saves the values of a form: a new definition only if its name is free, a stored one only if no one else changed it.
 * @throws {ApiError} with the status 412 if that is not so.
 */
export async function saveValues({ values, etag }: Form): Promise<void> {
  const { name } = values.peek();
  const version = etag.peek();
  const condition: Record<string, string> =
    version === null ? { "If-None-Match": "*" } : { "If-Match": version };
  const saved = await call(
    api.smtpserver[":identifier"].$post(
      { param: { identifier: encodeURIComponent(name) }, json: toParameters(values.peek()) },
      { headers: condition },
    ),
  );
  etag.value = saved.etag;
  const { detail } = saved;
  lastSaved.value = { name, detail: detail && "warnings" in detail ? detail : undefined };
}

export async function removeServer(name: string): Promise<void> {
  await call(api.smtpserver[":identifier"].$delete({ param: { identifier: encodeURIComponent(name) } }));
}
