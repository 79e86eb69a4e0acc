import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface SelectProps<V extends string> {
  readonly name?: string;
  readonly label: string;
  readonly value: V;
  /** Texts by value, in their order. */
  readonly options: readonly (readonly [value: V, text: string])[];
  readonly onChange: (value: V) => void;
  readonly help?: ComponentChildren;
  readonly error?: string | undefined;
}

/** A labeled choice of one of several values. */
export function Select<V extends string>({
  name,
  label,
  value,
  options,
  onChange,
  help,
  error,
}: SelectProps<V>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        name={name}
        value={value}
        onChange={({ currentTarget }) => {
          const chosen = options.find(([one]) => one === currentTarget.value);
          if (chosen) onChange(chosen[0]);
        }}
        aria-describedby={help || error ? `${id}-help` : undefined}
        aria-invalid={error ? true : undefined}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
      {(help || error) && (
        <p class={error ? "field-error" : "help"} id={`${id}-help`}>
          {error ?? help}
        </p>
      )}
    </div>
  );
}

interface CheckboxProps {
  readonly name?: string;
  readonly label: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
  readonly error?: string | undefined;
}

/** A labeled yes or no. */
export function Checkbox({ name, label, value, onChange, error }: CheckboxProps) {
  const id = useId();
  return (
    <div class="checkbox">
      <input
        id={id}
        name={name}
        type="checkbox"
        checked={value}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
        aria-describedby={error ? `${id}-error` : undefined}
        aria-invalid={error ? true : undefined}
      />
      <label for={id}>{label}</label>
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

interface TextAreaProps {
  readonly name?: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly rows?: number;
  readonly isCode?: boolean;
  readonly help?: ComponentChildren;
  readonly error?: string | undefined;
}

/** A labeled text of several lines. */
export function TextArea({
  name,
  label,
  value,
  onChange,
  rows = 3,
  isCode = false,
  help,
  error,
}: TextAreaProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        name={name}
        class={isCode ? "mono" : undefined}
        rows={rows}
        spellcheck={!isCode}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
        aria-describedby={help || error ? `${id}-help` : undefined}
        aria-invalid={error ? true : undefined}
      />
      {(help || error) && (
        <p class={error ? "field-error" : "help"} id={`${id}-help`}>
          {error ?? help}
        </p>
      )}
    </div>
  );
}
