import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api.ts";
import { bind, change, rejectedField } from "../components/bind.ts";
import { Conflict } from "../components/conflict.tsx";
import { ConnectionSection } from "../components/connection-section.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { LoginSection } from "../components/login-section.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { RemoveServer } from "../components/remove-server.tsx";
import { LimitsSection, SenderSection } from "../components/sending-sections.tsx";
import { SigningSection } from "../components/signing-section.tsx";
import { serverTexts } from "../i18n/server.ts";
import { loadPresets, type Presets } from "../presets.ts";
import { open, type PageProps } from "../router.ts";
import { loadValues, proposal, type StoredValues, saveValues } from "../save-server.ts";
import type { Form, FormValues } from "../server-form.ts";
import { useUnsaved } from "../unsaved.ts";

/** Creates or changes a definition: `#/server`, `#/server/<name>`. */
export function ServerView({ args: [name] }: PageProps) {
  const t = serverTexts();
  const loading = useLoading(async () => {
    const [stored, presets] = await Promise.all([loadValues(name), loadPresets()]);
    return { stored, presets };
  });
  return (
    <PageFrame title={name === undefined ? t.newTitle : t.editTitle(name)}>
      <Loaded from={loading}>
        {({ stored, presets }) => <ServerForm stored={stored} presets={presets} isNew={name === undefined} />}
      </Loaded>
    </PageFrame>
  );
}

interface ServerFormProps {
  readonly stored: StoredValues;
  readonly presets: Presets;
  readonly isNew: boolean;
}

function ServerForm({ stored, presets, isNew }: ServerFormProps) {
  const t = serverTexts();
  const { form, isBusy, theirs, save, discard } = useServerForm(stored, isNew);
  const { name, provider } = form.values.value;
  const preset = presets[provider];
  const isTaken = isNew && form.error.value instanceof ApiError && form.error.value.status === 412;
  return (
    <form
      class="sections"
      aria-busy={isBusy.value}
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {theirs.value && (
        <Conflict
          form={form}
          theirs={theirs.value}
          onOverwrite={() => {
            form.etag.value = theirs.value?.etag ?? null;
            void save();
          }}
          onDiscard={discard}
        />
      )}
      <ConnectionSection form={form} presets={presets} isNew={isNew} />
      <LoginSection form={form} preset={preset} isNew={isNew} />
      <SenderSection form={form} />
      <SigningSection form={form} />
      <LimitsSection form={form} />
      <div class="save">
        {isTaken ? (
          <Notice kind="error">
            <p>{t.nameTaken}</p>
          </Notice>
        ) : (
          rejectedField(form) === null && theirs.value === null && <ErrorNotice error={form.error.value} />
        )}
        <button type="submit" class="primary" disabled={isBusy.value}>
          {t.save}
        </button>
        {!isNew && (
          <button type="button" onClick={() => open("test", name)}>
            {t.test}
          </button>
        )}
        {!isNew && <RemoveServer name={name} />}
      </div>
    </form>
  );
}

/** The state of the form, and what its buttons do. */
function useServerForm({ values, etag }: StoredValues, isNew: boolean) {
  const form: Form = {
    values: useSignal(values),
    error: useSignal<unknown>(null),
    etag: useSignal(etag),
  };
  const markSaved = useUnsaved(form.values);
  const isBusy = useSignal(false);
  const theirs = useSignal<StoredValues | null>(null);
  useEffect(() => {
    const proposed = proposal.peek();
    proposal.value = null;
    if (proposed?.name !== values.name) return;
    change(form, proposed.values);
    setTimeout(() => document.getElementsByName(proposed.field)[0]?.focus());
  }, []);
  const save = async () => {
    if (isBusy.peek()) return;
    isBusy.value = true;
    form.error.value = null;
    theirs.value = null;
    try {
      await saveValues(form);
      markSaved();
      open("test", form.values.peek().name);
    } catch (error) {
      form.error.value = error;
      if (!isNew && error instanceof ApiError && error.status === 412) theirs.value = await loadTheirs(form);
      askAgain(form);
      setTimeout(() => document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
    } finally {
      isBusy.value = false;
    }
  };
  const discard = () => {
    if (theirs.value === null) return;
    form.values.value = theirs.value.values;
    markSaved();
    form.etag.value = theirs.value.etag;
    form.error.value = null;
    theirs.value = null;
  };
  return { form, isBusy, theirs, save, discard };
}

/** Returns the definition as it is stored now; `null` if it was deleted. */
async function loadTheirs(form: Form): Promise<StoredValues | null> {
  const theirs = await loadValues(form.values.peek().name).catch(() => null);
  // Without a stored definition, saving creates it again.
  if (theirs === null) form.etag.value = null;
  return theirs;
}

/** Opens the field of a stored secret that the API wants again, for example because the server is another one. */
function askAgain(form: Form): void {
  const rejected = rejectedField(form);
  const secrets = ["password", "private_key", "private_key_password", "oauth_client_secret"] as const;
  const name = secrets.find((one: keyof FormValues) => one === rejected);
  if (name !== undefined) bind(form, name).onChange({ ...form.values.peek()[name], action: "change" });
}
