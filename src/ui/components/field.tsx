import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** One by one, because the types of JSX tell inputs apart by them. */
const TYPES = {
  text: { type: "text" },
  password: { type: "password" },
  number: { type: "number" },
  email: { type: "email" },
} as const;

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly help?: ComponentChildren;
  /** Why the value was rejected. */
  readonly error?: string | undefined;
  /** Attributes of the input. */
  readonly name?: string;
  readonly type?: keyof typeof TYPES;
  readonly autoComplete?: string;
  readonly autoCapitalize?: "none";
  readonly pattern?: string;
  readonly placeholder?: string;
  readonly min?: number;
  readonly max?: number;
  readonly required?: boolean;
  readonly disabled?: boolean;
}

/** A labeled line of text. */
export function Field({ label, value, onChange, help, error, type = "text", ...input }: FieldProps) {
  const id = useId();
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        autoComplete="off"
        spellcheck={false}
        {...input}
        {...TYPES[type]}
        id={id}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
        aria-describedby={described || undefined}
        aria-invalid={error ? true : undefined}
      />
      {help && (
        <p class="help" id={`${id}-help`}>
          {help}
        </p>
      )}
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
