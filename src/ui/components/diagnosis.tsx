import { failureText, phaseText } from "../i18n/failures.ts";
import { labelOf } from "../i18n/fields.ts";
import { hintSentences } from "../i18n/hints/index.ts";
import { serverTexts } from "../i18n/server.ts";
import { testTexts } from "../i18n/test.ts";
import { open } from "../router.ts";
import { proposal } from "../save-server.ts";
import { type FormValues, guessEncryption } from "../server-form.ts";
import type { TestResult } from "../test-run.ts";
import { NoticeList } from "./identity-report.tsx";
import { Notice } from "./notice.tsx";

interface DiagnosisProps {
  readonly name: string;
  readonly result: TestResult;
}

/** The outcome of a test, the server's words, and what to change. */
export function Diagnosis({ name, result }: DiagnosisProps) {
  const t = testTexts();
  const { delivery, queued } = result.detail;
  const { phase, code, reply, hint, hints, outcome } = delivery;
  if (result.isSuccess) {
    return (
      <Notice kind="ok">
        <p>
          <strong>{queued ? t.queued : delivery.reached === null ? t.delivered : t.reached}</strong>
        </p>
        {reply && <Reply {...reply} />}
        <NoticeList detail={result.detail} />
      </Notice>
    );
  }
  // The first sentence of the hint says what is wrong more exactly than the code does.
  const known = hintSentences(hint, hints);
  const headline = outcome === "unknown" ? t.unknown : code === null ? t.failed : failureText(code, phase);
  return (
    <Notice kind="error">
      <p>
        <strong lang={known?.lang}>{known?.problem ?? headline}</strong>
      </p>
      {known?.advice && <p lang={known.lang}>{known.advice}</p>}
      {reply && <Reply {...reply} />}
      <p class="faint">
        {phase !== null && phaseText(phase)} · {t.code} <code>{code}</code>
      </p>
      <Remedy name={name} result={result} />
      <NoticeList detail={result.detail} />
    </Notice>
  );
}

interface ReplyProps {
  readonly code: number;
  readonly enhanced: string | null;
  readonly text: string;
}

/** The reply of the mail server, as text. */
function Reply({ code, enhanced, text }: ReplyProps) {
  return (
    <figure class="reply">
      <figcaption>{testTexts().reply}</figcaption>
      <code>
        {code} {enhanced} {text}
      </code>
    </figure>
  );
}

/** A button that changes the one field that mends the failure. */
function Remedy({ name, result }: DiagnosisProps) {
  const t = testTexts();
  const { remedy } = result.detail.delivery;
  if (remedy === undefined) return null;
  const { parameter, value } = remedy;
  const field = labelOf(parameter);
  const shown = parameter === "tls" ? (value ? serverTexts().starttls : serverTexts().none) : String(value);
  const text = value === null ? t.remedyField(field) : t.remedy(field, shown);
  const apply = () => {
    if (parameter === "recipient") {
      document.getElementsByName("recipient")[0]?.focus();
      return;
    }
    proposal.value = { name, ...changeOf(parameter, value) };
    open("server", name);
  };
  return (
    <div class="actions">
      <button type="button" onClick={apply}>
        {text}
      </button>
    </div>
  );
}

/** Returns what a remedy changes in the form, and the input that shows it. */
function changeOf(
  parameter: string,
  value: string | number | boolean | null,
): { readonly field: string; readonly values: Partial<FormValues> } {
  if (parameter === "tls")
    return { field: "encryption", values: { encryption: value ? "starttls" : "none" } };
  if (value === null) return { field: parameter, values: {} };
  const [, scheme, host = "", port] = /^(smtps):\/\/(.+?)(?::(\d+))?$/.exec(String(value)) ?? [];
  if (parameter === "server" && scheme) {
    return { field: "encryption", values: { server: host, port: port ?? "465", encryption: "implicit" } };
  }
  if (parameter === "port") {
    const encryption = guessEncryption("", String(value));
    return { field: parameter, values: { port: String(value), encryption } };
  }
  return { field: parameter, values: { [parameter]: String(value) } };
}
