import { serverTexts } from "../i18n/server.ts";
import type { Form } from "../server-form.ts";
import { bind } from "./bind.ts";
import { Checkbox, Select, TextArea } from "./choices.tsx";
import { Field } from "./field.tsx";

/** The address that messages come from, and how they leave. */
export function SenderSection({ form }: { readonly form: Form }) {
  const t = serverTexts();
  return (
    <section class="card">
      <h2>{t.senderSection}</h2>
      <Field {...bind(form, "sender")} help={t.senderHelp} autoCapitalize="none" />
      <TextArea {...bind(form, "description")} rows={2} />
      <Checkbox {...bind(form, "enqueue_job")} />
    </section>
  );
}

/** Limits, and fields for servers that differ from others. */
export function LimitsSection({ form }: { readonly form: Form }) {
  const t = serverTexts();
  return (
    <section class="card">
      <h2>{t.limits}</h2>
      <div class="row">
        <Field {...bind(form, "timeout")} type="number" min={1} max={300} required />
        <Field {...bind(form, "max_connections")} type="number" min={1} max={100} required />
        <Field {...bind(form, "mails_per_minute")} type="number" min={0} help={t.unlimited} required />
      </div>
      <div class="row">
        <Select
          {...bind(form, "pipelining")}
          options={[
            ["auto", t.auto],
            ["off", t.off],
          ]}
        />
        <Select
          {...bind(form, "auth_mechanism")}
          options={[
            ["auto", t.auto],
            ["plain", "PLAIN"],
            ["login", "LOGIN"],
            ["cram-md5", "CRAM-MD5"],
          ]}
        />
      </div>
    </section>
  );
}
