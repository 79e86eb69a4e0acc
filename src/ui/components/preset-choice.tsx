import { useSignal } from "@preact/signals";
import { labelOf } from "../i18n/fields.ts";
import { serverTexts } from "../i18n/server.ts";
import type { Preset, Presets } from "../presets.ts";
import { applyPreset } from "../presets.ts";
import type { Form } from "../server-form.ts";
import { change } from "./bind.ts";
import { Select } from "./choices.tsx";

interface PresetChoiceProps {
  readonly form: Form;
  readonly presets: Presets;
}

/** Chooses a provider, which fills in what is known about it. */
export function PresetChoice({ form, presets }: PresetChoiceProps) {
  const t = serverTexts();
  const { provider } = form.values.value;
  const preset = presets[provider];
  const sorted = Object.values(presets).toSorted((left, right) => left.name.localeCompare(right.name));
  return (
    <div class="row">
      <Select
        label={labelOf("provider")}
        value={provider}
        options={[["", t.otherProvider], ...sorted.map(({ id, name }) => [id, name] as const)]}
        onChange={(id) => change(form, applyPreset(id, presets[id]))}
        help={preset ? <ProviderHelp preset={preset} /> : t.providerHelp}
      />
      {preset && Object.keys(preset.regions).length > 0 && (
        <RegionChoice key={preset.id} form={form} preset={preset} />
      )}
    </div>
  );
}

function RegionChoice({ form, preset }: { readonly form: Form; readonly preset: Preset }) {
  const region = useSignal(
    Object.entries(preset.regions).find(([, host]) => host === form.values.value.server)?.[0] ?? "",
  );
  const names = Object.keys(preset.regions);
  return (
    <Select
      label={serverTexts().region}
      value={region.value}
      options={[["", "–"] as const, ...names.map((name) => [name, name] as const)]}
      onChange={(name) => {
        region.value = name;
        change(form, { server: preset.regions[name] ?? "" });
      }}
    />
  );
}

function ProviderHelp({ preset: { docs, host_form } }: { readonly preset: Preset }) {
  const t = serverTexts();
  return (
    <>
      {host_form !== null && <span>{t.serverForm(host_form)} </span>}
      <a href={docs} target="_blank" rel="noreferrer">
        {t.docs}
      </a>
    </>
  );
}
