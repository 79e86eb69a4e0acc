import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface NamedChoicesProps {
  readonly label: string;
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[]) => void;
  readonly error?: string | undefined;
  /** The names to choose from, in their order. */
  readonly names: readonly string[];
  /** Returns what a name means; empty if nothing is known. */
  readonly textOf: (name: string) => string;
  /** Shown before the choices. */
  readonly children?: ComponentChildren;
}

/** A choice of any number of names of the API, each with its meaning. */
export function NamedChoices(props: NamedChoicesProps) {
  const { label, value, onChange, error, names, textOf, children } = props;
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
      {children}
      <ul>
        {names.map((name) => (
          <Choice
            key={name}
            name={name}
            text={textOf(name)}
            isChosen={value.includes(name)}
            onChange={(isChosen) =>
              onChange(isChosen ? [...value, name] : value.filter((one) => one !== name))
            }
          />
        ))}
      </ul>
    </fieldset>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly text: string;
  readonly isChosen: boolean;
  readonly onChange: (isChosen: boolean) => void;
}

function Choice({ name, text, isChosen, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <li class="checkbox">
      <input
        id={id}
        type="checkbox"
        checked={isChosen}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
        aria-describedby={text ? `${id}-help` : undefined}
      />
      <label for={id} class="mono">
        {name}
      </label>
      {text && (
        <p class="help" id={`${id}-help`}>
          {text}
        </p>
      )}
    </li>
  );
}
