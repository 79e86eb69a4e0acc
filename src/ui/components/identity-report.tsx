import { type Signal, useSignal } from "@preact/signals";
import { api, call } from "../api.ts";
import { date } from "../i18n/language.ts";
import { type Notices, noticeTexts } from "../i18n/notices.ts";
import { serverTexts } from "../i18n/server.ts";
import type { Form } from "../server-form.ts";
import { ErrorNotice, Notice } from "./notice.tsx";

/** A report of the API about key and certificate. */
interface Inspection {
  readonly report: Signal<Awaited<ReturnType<typeof inspect>> | null>;
  readonly error: Signal<unknown>;
  run(): Promise<void>;
}

async function inspect({ values }: Form) {
  const { private_key, private_key_password, certificate, sender, username } = values.peek();
  const json = {
    private_key: private_key.value,
    private_key_password: private_key_password.value,
    certificate,
    sender: sender || username,
  };
  return await call(api.smtpserver.inspect.$post({ json }));
}

/** Inspects the key and certificate of a form on demand. */
export function useInspection(form: Form): Inspection {
  const report = useSignal<Awaited<ReturnType<typeof inspect>> | null>(null);
  const error = useSignal<unknown>(null);
  return {
    report,
    error,
    async run() {
      try {
        report.value = await inspect(form);
        error.value = null;
      } catch (cause) {
        report.value = null;
        error.value = cause;
      }
    },
  };
}

/** Days before the end of a certificate at which it needs attention. */
const SOON_DAYS = 30;

/** Subject, addresses and chain of a certificate, and what is wrong with it. */
export function IdentityReport({ inspection: { report, error } }: { readonly inspection: Inspection }) {
  const t = serverTexts();
  if (error.value !== null) return <ErrorNotice error={error.value} />;
  if (report.value === null) return null;
  const { value: canSign, detail } = report.value;
  const { smime } = detail ?? {};
  return (
    <div class="identity" aria-live="polite">
      <Notice kind={canSign ? "ok" : "error"}>
        <p>{canSign ? t.canSign : t.cannotSign}</p>
        <NoticeList detail={detail} />
      </Notice>
      {smime?.addresses && smime.addresses.length > 0 && (
        <p>
          <strong>{t.addresses}:</strong> {smime.addresses.join(", ")} {smime.key && `(${smime.key})`}
        </p>
      )}
      <ol class="chain" aria-label={t.chain}>
        {(smime?.path ?? []).map(({ subject, issuer, not_after, days_left, sha256 }, index) => (
          <li key={sha256} class={days_left < SOON_DAYS ? "soon" : undefined}>
            <span class="faint">{index === 0 ? t.signer : t.authority}</span>
            <strong>{subject}</strong>
            <span>{t.validUntil(date(not_after), days_left)}</span>
            {index === (smime?.path?.length ?? 0) - 1 && issuer !== subject && (
              <span class="faint">← {issuer}</span>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The warnings of a response, in the language of the page. */
export function NoticeList({ detail }: { readonly detail: Notices | undefined }) {
  const texts = noticeTexts(detail);
  if (texts.length === 0) return null;
  return (
    <ul class="notices">
      {texts.map(({ text, original }) => (
        <li key={original ?? text}>
          {text}
          {original && (
            <span class="original" lang="en">
              {" "}
              {original}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
