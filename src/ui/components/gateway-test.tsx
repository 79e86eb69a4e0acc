import { useSignal } from "@preact/signals";
import type * as v from "valibot";
import type { testDetail } from "../../../plugins/sms-gateway/schema.ts";
import { call, pluginApi } from "../api.ts";
import { gatewayTexts } from "../i18n/gateways.ts";
import { hintSentences } from "../i18n/hints/index.ts";
import { Field } from "./field.tsx";
import { ErrorNotice, Notice } from "./notice.tsx";
import { useWork } from "./work.ts";

type Detail = v.InferOutput<typeof testDetail>;

interface Result {
  readonly isSuccess: boolean;
  readonly text: string;
  readonly advice: string;
  /** Language of both; `undefined` for that of the page. */
  readonly lang?: "en" | undefined;
}

/** Sends a test SMS through a stored gateway. */
export function GatewayTest({ name }: { readonly name: string }) {
  const t = gatewayTexts();
  const phone = useSignal("");
  const result = useSignal<Result | null>(null);
  const { isBusy, error, onSubmit, errorOf } = useWork();
  const send = onSubmit(async () => {
    result.value = null;
    result.value = await sendTest(name, phone.peek());
  });
  return (
    <section class="card form" aria-labelledby="test">
      <h2 id="test">{t.test}</h2>
      <form class="stack" onSubmit={send} aria-busy={isBusy.value}>
        <ErrorNotice error={errorOf("phone") === undefined ? error.value : null} />
        <Field
          label={t.phone}
          value={phone.value}
          onChange={(value) => {
            phone.value = value;
          }}
          help={t.testHelp}
          error={errorOf("phone")}
          required
        />
        <div class="actions">
          <button type="submit" disabled={isBusy.value}>
            {t.sendTest}
          </button>
        </div>
      </form>
      <div role="status">
        {result.value && (
          <Notice kind={result.value.isSuccess ? "ok" : "error"}>
            <p lang={result.value.lang}>
              <strong>{result.value.text}</strong>
            </p>
            {result.value.advice && <p lang={result.value.lang}>{result.value.advice}</p>}
          </Notice>
        )}
      </div>
    </section>
  );
}

async function sendTest(name: string, phone: string): Promise<Result> {
  const t = gatewayTexts();
  const { value, detail } = await call(pluginApi.smsgateway.send_test_sms.$post({ json: { name, phone } }));
  // The route's own type has the diagnosis as any JSON.
  const { code, recipient = "", delivery, mail_id } = (detail ?? {}) as Detail;
  if (code !== undefined) return { isSuccess: false, text: t.unusable, advice: "" };
  if (value) {
    return { isSuccess: true, text: mail_id ? t.queued(recipient) : t.sent(recipient), advice: "" };
  }
  const hint = hintSentences(delivery?.hint ?? null, delivery?.hints ?? []);
  return {
    isSuccess: false,
    text: hint?.problem ?? t.notSent,
    advice: hint?.advice ?? "",
    lang: hint?.lang,
  };
}
