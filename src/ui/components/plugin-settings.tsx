import { useComputed, useSignal } from "@preact/signals";
import { api, call, type ValueOf } from "../api.ts";
import { noticeTexts } from "../i18n/notices.ts";
import { settingTexts } from "../i18n/settings.ts";
import { may } from "../session.ts";
import { useUnsaved } from "../unsaved.ts";
import { ErrorNotice, Notice } from "./notice.tsx";
import { SettingField } from "./setting-field.tsx";
import { unboundError, useWork } from "./work.ts";

type Plugin = ValueOf<typeof api.plugins.$get>[number];

interface PluginSettingsProps {
  readonly plugin: Plugin;
  /** Values in effect by the names of settings. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly reload: () => Promise<void>;
}

/** The settings of one plugin. Only those that were changed are saved. */
export function PluginSettings({ plugin: { name, settings }, values, reload }: PluginSettingsProps) {
  const t = settingTexts();
  const changed = useSignal<ReadonlyMap<string, unknown>>(new Map());
  // A save empties them, which is how they started.
  useUnsaved(useComputed(() => [...changed.value]));
  const warnings = useSignal<readonly string[] | null>(null);
  const { isBusy, error, onSubmit, errorOf, run } = useWork();
  const names = settings.map((setting) => setting.name);
  const save = onSubmit(async () => {
    const json = Object.fromEntries([...changed.peek()].map(([key, value]) => [key, completed(value)]));
    const { detail } = await call(api.system.setConfig.$post({ json }));
    changed.value = new Map();
    warnings.value = noticeTexts(detail).map(({ text }) => text);
    await reload();
  });
  const reset = (key: string) =>
    run(async () => {
      await call(api.system[":key"].$delete({ param: { key: encodeURIComponent(key) } }));
      changed.value = new Map([...changed.peek()].filter(([one]) => one !== key));
      warnings.value = [];
      await reload();
    });
  return (
    <form class="card form" onSubmit={save} aria-busy={isBusy.value} aria-labelledby={`plugin-${name}`}>
      <h2 id={`plugin-${name}`}>{name}</h2>
      <ErrorNotice error={error.value && unboundError(error.value, names)} />
      {warnings.value && (
        <div role="status">
          {warnings.value.map((text) => (
            <Notice key={text} kind="warn">
              {text}
            </Notice>
          ))}
          {warnings.value.length === 0 && <Notice kind="ok">{t.saved}</Notice>}
        </div>
      )}
      {settings.map((setting) => (
        <SettingField
          key={setting.name}
          setting={setting}
          stored={values.get(setting.name)}
          changed={changed.value.get(setting.name)}
          error={errorOf(setting.name)}
          onChange={(value) => {
            changed.value = new Map([...changed.peek(), [setting.name, value]]);
          }}
          onReset={() => reset(setting.name)}
        />
      ))}
      {may("configwrite") && (
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy.value || changed.value.size === 0}>
            {t.save(name)}
          </button>
        </div>
      )}
    </form>
  );
}

/** Removes the empty entries that a list has while it is typed. */
function completed(value: unknown): unknown {
  return Array.isArray(value) ? value.map((entry) => String(entry).trim()).filter(Boolean) : value;
}
