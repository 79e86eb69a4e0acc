import { labelOf } from "../i18n/fields.ts";
import { serverTexts } from "../i18n/server.ts";
import type { SecretValue } from "../server-form.ts";
import { TextArea } from "./choices.tsx";
import { Field } from "./field.tsx";

interface SecretFieldProps {
  /** Parameter of the secret. */
  readonly name: string;
  readonly value: SecretValue;
  readonly onChange: (value: SecretValue) => void;
  /** A key or a file has several lines. */
  readonly isLong?: boolean;
  readonly help?: string | undefined;
  readonly error?: string | undefined;
}

/** A secret, which the page never sees: it is stored, and can be changed or cleared. */
export function SecretField({ name, value, onChange, isLong = false, help, error }: SecretFieldProps) {
  const t = serverTexts();
  const label = labelOf(name);
  const { isStored, action, file } = value;
  const act = (next: SecretValue["action"]) => onChange({ isStored, action: next, value: "" });
  if (action === "change" && file === undefined) {
    const shared = {
      name,
      label,
      value: value.value,
      onChange: (text: string) => onChange({ ...value, value: text }),
      error,
    };
    return (
      <div class="secret">
        {isLong ? (
          <TextArea {...shared} rows={4} isCode />
        ) : (
          <Field {...shared} type="password" autoComplete="new-password" help={help} />
        )}
        {isStored && (
          <button type="button" class="link" onClick={() => act("keep")}>
            {t.keep}
          </button>
        )}
      </div>
    );
  }
  return (
    <fieldset class="secret stored">
      <legend>{label}</legend>
      <span class={action === "clear" ? "bad" : "good"}>
        {action === "clear" ? t.cleared : file === undefined ? t.set : t.fromFile(file)}
      </span>
      <button type="button" onClick={() => act("change")}>
        {t.change}
      </button>
      {action === "keep" && (
        <button type="button" onClick={() => act("clear")}>
          {t.clearSecret}
        </button>
      )}
      {action !== "keep" && isStored && (
        <button type="button" onClick={() => act("keep")}>
          {t.keep}
        </button>
      )}
      {error && <p class="field-error">{error}</p>}
    </fieldset>
  );
}
