import { useSignal } from "@preact/signals";
import { eventText, eventTexts } from "../i18n/events.ts";
import { Field } from "./field.tsx";
import { NamedChoices } from "./named-choices.tsx";

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
    <NamedChoices {...{ label, value, onChange, error }} names={shown} textOf={eventText}>
      <Field
        label={t.find}
        value={words.value}
        onChange={(text) => {
          words.value = text;
        }}
      />
    </NamedChoices>
  );
}

function rankOf(event: string): number {
  return eventText(event) === "" ? 1 : 0;
}
