import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { eventText, eventTexts } from "../i18n/events.ts";
import { Field } from "./field.tsx";

interface EventsFieldProps {
  readonly label: string;
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[]) => void;
  readonly error?: string | undefined;
  /** The names of all events. */
  readonly known: readonly string[];
}

/** A choice of events: those of Sealpost first, which have a description, then those of API actions. */
export function EventsField({ label, value, onChange, error, known }: EventsFieldProps) {
  const t = eventTexts();
  const words = useSignal("");
  const all = [...new Set([...known, ...value])];
  const ordered = all.toSorted((left, right) => rankOf(left) - rankOf(right));
  const wanted = words.value.trim().toLowerCase();
  const shown = ordered.filter((event) =>
    wanted === ""
      ? value.includes(event) || rankOf(event) === 0
      : `${event} ${eventText(event)}`.toLowerCase().includes(wanted),
  );
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
      <Field
        label={t.find}
        value={words.value}
        onChange={(text) => {
          words.value = text;
        }}
      />
      <ul>
        {shown.map((event) => (
          <Choice
            key={event}
            event={event}
            isChosen={value.includes(event)}
            onChange={(isChosen) =>
              onChange(isChosen ? [...value, event] : value.filter((one) => one !== event))
            }
          />
        ))}
      </ul>
    </fieldset>
  );
}

function rankOf(event: string): number {
  return eventText(event) === "" ? 1 : 0;
}

interface ChoiceProps {
  readonly event: string;
  readonly isChosen: boolean;
  readonly onChange: (isChosen: boolean) => void;
}

function Choice({ event, isChosen, onChange }: ChoiceProps) {
  const id = useId();
  const text = eventText(event);
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
        {event}
      </label>
      {text && (
        <p class="help" id={`${id}-help`}>
          {text}
        </p>
      )}
    </li>
  );
}
