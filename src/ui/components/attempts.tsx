import type * as v from "valibot";
import type { mailRecordView } from "../../http/mail-schema.ts";
import { failureText, phaseText } from "../i18n/failures.ts";
import { dateTime, duration } from "../i18n/format.ts";
import { messageTexts } from "../i18n/message.ts";

export type MailRecord = v.InferOutput<typeof mailRecordView>;
type Attempt = MailRecord["attempts"][number];

const KINDS = { sent: "ok", "not-sent": "warn", unknown: "error", lost: "error" } as const;

/** Every attempt to deliver a message, as a time line. */
export function Attempts({ attempts }: { readonly attempts: readonly Attempt[] }) {
  const t = messageTexts();
  if (attempts.length === 0) return <p class="faint">{t.noAttempts}</p>;
  return (
    <ol class="timeline">
      {attempts.map((attempt) => (
        <li key={`${attempt.date} ${attempt.recipient} ${attempt.identifier}`} class={KINDS[attempt.outcome]}>
          <p>
            <strong>{outcomeText(attempt.outcome)}</strong>{" "}
            <time dateTime={attempt.date}>{dateTime(attempt.date)}</time>
          </p>
          <p class="faint">
            {[t.to(attempt.recipient), t.via(attempt.identifier), tookText(attempt)]
              .filter(Boolean)
              .join(" · ")}
          </p>
          <Reason {...attempt} />
          {attempt.outcome !== "sent" && <p>{decisionText(attempt.decision)}</p>}
        </li>
      ))}
    </ol>
  );
}

/** Why an attempt failed, with the reply of the server as it was. */
function Reason({ outcome, phase, code, reply }: Attempt) {
  const t = messageTexts();
  return (
    <>
      {outcome === "lost" && <p>{t.lost}</p>}
      {outcome === "unknown" && <p>{t.unknown}</p>}
      {code && (
        <p>
          {phase && <span class="faint">{phaseText(phase)}: </span>}
          {failureText(code, phase)}
        </p>
      )}
      {reply && (
        <p class="reply mono" lang="en">
          <span class="visually-hidden">{t.reply}: </span>
          {[reply.code, reply.enhanced, reply.text].filter(Boolean).join(" ")}
        </p>
      )}
    </>
  );
}

function tookText({ timing_ms }: Attempt): string {
  const times = Object.values(timing_ms);
  return times.length === 0 ? "" : messageTexts().took(duration(times.reduce((sum, ms) => sum + ms, 0)));
}

function outcomeText(outcome: Attempt["outcome"]): string {
  const t = messageTexts();
  return {
    sent: t.outcomeSent,
    "not-sent": t.outcomeNotSent,
    unknown: t.outcomeUnknown,
    lost: t.outcomeLost,
  }[outcome];
}

function decisionText(decision: Attempt["decision"]): string {
  const t = messageTexts();
  return { ended: t.ended, retry: t.retry, repeat: t.repeat, "next-server": t.nextServer }[decision];
}
