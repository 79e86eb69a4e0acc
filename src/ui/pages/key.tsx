import { useSignal } from "@preact/signals";
import { api, call } from "../api.ts";
import { Select } from "../components/choices.tsx";
import { Field } from "../components/field.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { RightsField } from "../components/rights-field.tsx";
import { useForm } from "../components/work.ts";
import { common } from "../i18n/common.ts";
import { keyTexts } from "../i18n/keys.ts";
import { open } from "../router.ts";

const DAY_MS = 24 * 3_600_000;
/** Days until a new key ends; empty for never. */
const ENDS = ["30", "90", "365", ""] as const;
type Days = (typeof ENDS)[number];
const RIGHTS: readonly string[] = ["mail_send"];
const DAYS: Days = "365";
const NEW = { name: "", rights: RIGHTS, servers: "", client: "", expires: DAYS };

/** Creates an API key, and shows it once. */
export function KeyView() {
  const t = keyTexts();
  const created = useSignal("");
  return (
    <PageFrame title={t.newKey}>
      {created.value ? (
        <CreatedKey value={created.value} />
      ) : (
        <KeyForm
          onCreated={(key) => {
            created.value = key;
          }}
        />
      )}
    </PageFrame>
  );
}

function KeyForm({ onCreated }: { readonly onCreated: (key: string) => void }) {
  const t = keyTexts();
  const { values, bind, isBusy, error, onSubmit } = useForm<Omit<typeof NEW, "expires"> & { expires: Days }>(
    NEW,
    t,
  );
  const create = onSubmit(async () => {
    const { expires, rights, ...given } = values.peek();
    const endsAt = expires === "" ? "" : new Date(Date.now() + Number(expires) * DAY_MS).toISOString();
    const json = { ...given, rights: [...rights], expires_at: endsAt };
    onCreated((await call(api.apikey.$post({ json }))).value.key);
  });
  return (
    <form class="card form" onSubmit={create} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      <Field {...bind("name")} help={t.nameHelp} required />
      <RightsField {...bind("rights")} />
      <Field {...bind("servers")} help={t.serversHelp} />
      <Field {...bind("client")} help={t.clientHelp} />
      <Select
        {...bind("expires")}
        options={ENDS.map((days) => [days, days === "" ? t.never : t.days(Number(days))] as const)}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {t.create}
        </button>
        <button type="button" onClick={() => open("keys")}>
          {common().cancel}
        </button>
      </div>
    </form>
  );
}

function CreatedKey({ value }: { readonly value: string }) {
  const t = keyTexts();
  const isCopied = useSignal(false);
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    isCopied.value = true;
  };
  return (
    <section class="card form" role="status">
      <Notice kind="ok">{t.created}</Notice>
      <output class="key mono" aria-label={t.key}>
        {value}
      </output>
      <div class="actions">
        <button type="button" class="primary" onClick={() => void copy()}>
          {isCopied.value ? common().copied : common().copy}
        </button>
        <button type="button" onClick={() => open("keys")}>
          {t.done}
        </button>
      </div>
    </section>
  );
}
