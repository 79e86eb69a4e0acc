import { useId } from "preact/hooks";
import { api, call } from "../api.ts";
import { coreRights, rightText } from "../i18n/rights.ts";
import { may, session } from "../session.ts";
import { useLoading } from "./loaded.tsx";

interface RightsFieldProps {
  readonly label: string;
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[]) => void;
  readonly error?: string | undefined;
}

/** A choice of rights, with what each permits. */
export function RightsField({ label, value, onChange, error }: RightsFieldProps) {
  const ofPlugins = useLoading(async () => {
    if (!may("configread")) return [];
    return (await call(api.plugins.$get())).value.flatMap(({ actions }) => actions);
  });
  const known = [
    ...coreRights(),
    ...(session.value?.rights ?? []),
    ...(ofPlugins.value.value ?? []),
    ...value,
  ];
  const rights = [...new Set(known)].filter((right) => right !== "*");
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
      <ul>
        {rights.map((right) => (
          <Right
            key={right}
            right={right}
            isChosen={value.includes(right)}
            onChange={(isChosen) =>
              onChange(isChosen ? [...value, right] : value.filter((one) => one !== right))
            }
          />
        ))}
      </ul>
    </fieldset>
  );
}

interface RightProps {
  readonly right: string;
  readonly isChosen: boolean;
  readonly onChange: (isChosen: boolean) => void;
}

function Right({ right, isChosen, onChange }: RightProps) {
  const id = useId();
  const text = rightText(right);
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
        {right}
      </label>
      {text && (
        <p class="help" id={`${id}-help`}>
          {text}
        </p>
      )}
    </li>
  );
}
