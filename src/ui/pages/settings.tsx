import { api, call } from "../api.ts";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { PluginSettings } from "../components/plugin-settings.tsx";
import { navigation } from "../i18n/navigation.ts";
import { settingTexts } from "../i18n/settings.ts";

/** The settings of the plugins. */
export function SettingsView() {
  const t = settingTexts();
  const loaded = useLoading(async () => {
    const [plugins, values] = await Promise.all([call(api.plugins.$get()), call(api.system.$get())]);
    const withSettings = plugins.value.filter(({ settings }) => settings.length > 0);
    return { plugins: withSettings, values: new Map(Object.entries(values.value)) };
  });
  return (
    <PageFrame title={navigation().settings} subtitle={t.intro}>
      <Loaded from={loaded}>
        {({ plugins, values }) =>
          plugins.length === 0 ? (
            <p class="faint">{t.none}</p>
          ) : (
            plugins.map((plugin) => (
              <PluginSettings key={plugin.name} plugin={plugin} values={values} reload={loaded.reload} />
            ))
          )
        }
      </Loaded>
    </PageFrame>
  );
}
