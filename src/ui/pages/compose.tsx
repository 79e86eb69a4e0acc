import { useSignal } from "@preact/signals";
import { api, call } from "../api.ts";
import { Checkbox, Select, TextArea } from "../components/choices.tsx";
import { Field } from "../components/field.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { type Sent, SentReport } from "../components/sent-report.tsx";
import { useForm } from "../components/work.ts";
import { composeTexts } from "../i18n/compose.ts";
import { open } from "../router.ts";
import { may } from "../session.ts";

/** Writes a message and sends it. */
export function ComposeView() {
  const t = composeTexts();
  const names = useLoading(async () => {
    if (!may("smtpserver_read")) return null;
    const { value } = await call(api.smtpserver.$get({ query: { censor: "1" } }));
    return Object.keys(value).toSorted((left, right) => left.localeCompare(right));
  });
  const sent = useSignal<Sent | null>(null);
  return (
    <PageFrame title={t.title}>
      {sent.value ? (
        <SentReport
          sent={sent.value}
          onAgain={() => {
            sent.value = null;
          }}
        />
      ) : (
        <Loaded from={names}>
          {(servers) =>
            servers?.length === 0 ? (
              <NoServer />
            ) : (
              <ComposeForm
                servers={servers}
                onSent={(value) => {
                  sent.value = value;
                }}
              />
            )
          }
        </Loaded>
      )}
    </PageFrame>
  );
}

function NoServer() {
  const t = composeTexts();
  return (
    <div class="empty">
      <p>{t.noServer}</p>
      <button type="button" class="primary" onClick={() => open("servers")}>
        {t.toServers}
      </button>
    </div>
  );
}

interface ComposeFormProps {
  /** Names of the definitions; `null` if the admin may not read them. */
  readonly servers: readonly string[] | null;
  readonly onSent: (sent: Sent) => void;
}

const EMPTY = { server: "", from: "", to: "", cc: "", subject: "", text: "", queue: true };

function ComposeForm({ servers, onSent }: ComposeFormProps) {
  const t = composeTexts();
  const initial = { ...EMPTY, server: servers?.[0] ?? "default" };
  const { values, bind, isBusy, error, onSubmit } = useForm(initial, t);
  const send = onSubmit(async () => {
    const { server, from, to, cc, subject, text, queue } = values.peek();
    const json = {
      server,
      subject,
      text,
      queue,
      to: listOf(to),
      ...(from && { from }),
      ...(cc && { cc: listOf(cc) }),
    };
    const { value, detail } = await call(api.mail.$post({ json }));
    onSent({ ...value, delivery: detail?.delivery ?? null });
  });
  return (
    <form class="card form" onSubmit={send} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      {servers === null ? (
        <Field {...bind("server")} help={t.serverHelp} required />
      ) : (
        <Select
          {...bind("server")}
          help={t.serverHelp}
          options={servers.map((name) => [name, name] as const)}
        />
      )}
      <Field {...bind("from")} help={t.fromHelp} />
      <Field {...bind("to")} help={t.toHelp} required />
      <Field {...bind("cc")} />
      <Field {...bind("subject")} />
      <TextArea {...bind("text")} rows={8} />
      <Checkbox {...bind("queue")} />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {t.send}
        </button>
      </div>
    </form>
  );
}

/** Splits addresses at commas outside quotation marks and angle brackets. */
function listOf(text: string): string[] {
  const parts = text.match(/(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}
