import { errorText } from "../i18n/errors.ts";
import { labelOf } from "../i18n/fields.ts";
import type { Form, FormValues } from "../server-form.ts";

/** Parameters of the API whose field in the form has another name. */
const FIELD_OF: Readonly<Record<string, string>> = { tls: "encryption", identifier: "name" };

/** Returns the properties that connect an input with a field of the form. */
export function bind<K extends keyof FormValues>(form: Form, name: K) {
  return {
    name,
    label: labelOf(name),
    value: form.values.value[name],
    onChange: (value: FormValues[K]) => change(form, { [name]: value }),
    error: fieldError(form, name),
  };
}

/** Changes some values of the form. */
export function change(form: Form, values: Partial<FormValues>): void {
  form.values.value = { ...form.values.value, ...values };
}

/** Returns the name of the field that the last error is about; `null` if it is about none. */
export function rejectedField(form: Form): string | null {
  const { parameter } = errorText(form.error.value);
  const field = parameter === null ? null : (FIELD_OF[parameter] ?? parameter);
  return field !== null && field in form.values.value ? field : null;
}

function fieldError(form: Form, name: string): string | undefined {
  if (form.error.value === null || rejectedField(form) !== name) return undefined;
  const { text, original } = errorText(form.error.value);
  return original === null ? text : `${text} (${original})`;
}
