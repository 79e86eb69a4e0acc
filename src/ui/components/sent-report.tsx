import type * as v from "valibot";
import type { mailSendDetail, sentMailView } from "../../http/mail-send-schema.ts";
import { composeTexts } from "../i18n/compose.ts";
import { failureText, phaseText } from "../i18n/failures.ts";
import { open } from "../router.ts";
import { may } from "../session.ts";
import { Notice } from "./notice.tsx";

/** The result of a message that was written here. */
export interface Sent extends v.InferOutput<typeof sentMailView> {
  /** `null` if the message is queued. */
  readonly delivery: v.InferOutput<typeof mailSendDetail>["delivery"] | null;
}

interface SentReportProps {
  readonly sent: Sent;
  readonly onAgain: () => void;
}

/** Shows whether a message was sent, and leads to its attempts. */
export function SentReport({ sent: { id, state, delivery }, onAgain }: SentReportProps) {
  const t = composeTexts();
  const { code = null, phase = null, reply = null } = delivery ?? {};
  return (
    <div class="stack" role="status">
      <Notice kind={state === "failed" ? "error" : "ok"}>
        <p>
          <strong>{t[state]}</strong>
        </p>
        {code && (
          <p>
            {phase && `${phaseText(phase)}: `}
            {failureText(code)}
          </p>
        )}
        {state === "failed" && reply && <p class="mono" lang="en">{`${reply.code} ${reply.text}`}</p>}
      </Notice>
      <div class="actions">
        {may("mail_read") && (
          <button type="button" class="primary" onClick={() => open("message", id)}>
            {t.show}
          </button>
        )}
        <button type="button" onClick={onAgain}>
          {t.another}
        </button>
      </div>
    </div>
  );
}
