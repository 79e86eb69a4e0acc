import { api, call } from "../api.ts";
import { coreRights, rightText } from "../i18n/rights.ts";
import { may, session } from "../session.ts";
import { useLoading } from "./loaded.tsx";
import { NamedChoices } from "./named-choices.tsx";

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
  return <NamedChoices {...{ label, value, onChange, error }} names={rights} textOf={rightText} />;
}
