import { useEffect, useRef } from "preact/hooks";
import { labelOf } from "../i18n/fields.ts";
import { serverTexts } from "../i18n/server.ts";
import type { StoredValues } from "../save-server.ts";
import { differences, type Form, type FormValues } from "../server-form.ts";

interface ConflictProps {
  readonly form: Form;
  /** The definition as it is stored now. */
  readonly theirs: StoredValues;
  onOverwrite(): void;
  onDiscard(): void;
}

/** Two versions of a definition next to each other. */
export function Conflict({ form, theirs, onOverwrite, onDiscard }: ConflictProps) {
  const t = serverTexts();
  const mine = form.values.value;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section class="notice warn conflict" role="alert" aria-labelledby="conflict">
      <h2 id="conflict" ref={heading} tabIndex={-1}>
        {t.conflictTitle}
      </h2>
      <p>{t.conflictText}</p>
      <div class="scroll">
        <table>
          <caption class="visually-hidden">{t.conflictTitle}</caption>
          <thead>
            <tr>
              <th scope="col">{t.field}</th>
              <th scope="col">{t.mine}</th>
              <th scope="col">{t.theirs}</th>
            </tr>
          </thead>
          <tbody>
            {differences(mine, theirs.values).map((name) => (
              <tr key={name}>
                <th scope="row">{labelOf(name)}</th>
                <td>{shown(mine[name])}</td>
                <td>{shown(theirs.values[name])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="actions">
        <button type="button" onClick={onOverwrite}>
          {t.overwrite}
        </button>
        <button type="button" onClick={onDiscard}>
          {t.discard}
        </button>
      </div>
    </section>
  );
}

/** A value as text. A secret has none. */
function shown(value: FormValues[keyof FormValues]): string {
  const t = serverTexts();
  if (typeof value === "boolean") return value ? t.yes : t.no;
  if (typeof value === "string") return value === "" ? "–" : value;
  if (value.action === "keep") return t.set;
  return value.action === "clear" ? t.cleared : value.value === "" ? "–" : t.secretChanged;
}
