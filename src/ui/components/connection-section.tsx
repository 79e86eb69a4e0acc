import { useSignal } from "@preact/signals";
import { serverTexts } from "../i18n/server.ts";
import type { Presets } from "../presets.ts";
import { type Encryption, type Form, guessEncryption, isApi } from "../server-form.ts";
import { bind, change } from "./bind.ts";
import { Select } from "./choices.tsx";
import { Field } from "./field.tsx";
import { PresetChoice } from "./preset-choice.tsx";

interface ConnectionSectionProps {
  readonly form: Form;
  readonly presets: Presets;
  readonly isNew: boolean;
}

/** Name, provider, server and encryption of a definition. */
export function ConnectionSection({ form, presets, isNew }: ConnectionSectionProps) {
  const t = serverTexts();
  const isChosen = useSignal(!isNew);
  const { server, port, provider, encryption } = form.values.value;
  /** Server and port suggest an encryption, unless a preset or the user has chosen one. */
  const changeEndpoint = (endpoint: { readonly server?: string; readonly port?: string }) => {
    const isOpen = !isChosen.value && provider === "";
    const guessed = guessEncryption(endpoint.server ?? server, endpoint.port ?? port);
    change(form, { ...endpoint, ...(isOpen && { encryption: guessed }) });
  };
  return (
    <section class="card">
      <h2>{t.connection}</h2>
      {isNew && <Field {...bind(form, "name")} help={t.nameHelp} required />}
      <PresetChoice form={form} presets={presets} />
      <div class="row endpoint">
        <Field {...bind(form, "server")} onChange={(value) => changeEndpoint({ server: value })} required />
        {!isApi(server) && (
          <>
            <Field
              {...bind(form, "port")}
              onChange={(value) => changeEndpoint({ port: value })}
              type="number"
              min={1}
              max={65_535}
              required
            />
            <Select<Encryption>
              {...bind(form, "encryption")}
              onChange={(value) => {
                isChosen.value = true;
                change(form, { encryption: value });
              }}
              options={[
                ["starttls", t.starttls],
                ["implicit", t.implicit],
                ["none", t.none],
              ]}
            />
          </>
        )}
      </div>
      {encryption === "none" && !isApi(server) && <p class="help">{t.clear}</p>}
    </section>
  );
}
