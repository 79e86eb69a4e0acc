import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { api, call } from "../api.ts";
import { Attempts, type MailRecord } from "../components/attempts.tsx";
import { StateBadge } from "../components/badge.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Facts } from "../components/table.tsx";
import { useWork } from "../components/work.ts";
import { failureText } from "../i18n/failures.ts";
import { dateTime } from "../i18n/format.ts";
import { mailTexts, submitterText, waitText } from "../i18n/mail.ts";
import { messageTexts } from "../i18n/message.ts";
import type { PageProps } from "../router.ts";
import { may } from "../session.ts";

const RELOAD_MS = 5_000;

/** One queued message with its attempts. */
export function MessageView({ args: [id = ""] }: PageProps) {
  const t = messageTexts();
  const record = useLoading(
    async () => (await call(api.mail[":id"].$get({ param: { id: encodeURIComponent(id) } }))).value,
    RELOAD_MS,
  );
  return (
    <PageFrame title={t.title} subtitle={<span class="mono">{id}</span>}>
      <Loaded from={record}>{(mail) => <Message mail={mail} reload={record.reload} />}</Loaded>
    </PageFrame>
  );
}

interface MessageProps {
  readonly mail: MailRecord;
  readonly reload: () => Promise<void>;
}

function Message({ mail, reload }: MessageProps) {
  const t = messageTexts();
  const wait = waitText(mail);
  return (
    <>
      <section class="card">
        <div class="line">
          <StateBadge state={mail.state} />
          {wait && <span>{wait}</span>}
        </div>
        <Facts facts={factsOf(mail)} />
        {may("mail_write") && <Actions mail={mail} reload={reload} />}
      </section>
      <section class="card" aria-labelledby="recipients">
        <h2 id="recipients">{mailTexts().recipients}</h2>
        <ul class="rows">
          {mail.recipients.map(({ address, state, attempts, failure }) => (
            <li key={address} class="line">
              <StateBadge state={state} />
              <span class="grow">{address}</span>
              {failure && <span class="faint">{failureText(failure.code)}</span>}
              <span class="faint">{t.attemptCount(attempts)}</span>
            </li>
          ))}
        </ul>
      </section>
      <section class="card" aria-labelledby="attempts">
        <h2 id="attempts">{t.attemptsTitle}</h2>
        <Attempts attempts={mail.attempts} />
      </section>
    </>
  );
}

function factsOf(mail: MailRecord): readonly (readonly [string, ComponentChildren])[] {
  const [t, m] = [messageTexts(), mailTexts()];
  const others = mail.alternatives.filter((name) => name !== mail.identifier);
  return [
    [m.server, mail.identifier],
    ...(others.length > 0 ? [[t.alternatives, others.join(", ")] as const] : []),
    [t.sender, mail.sender],
    [m.submitter, submitterText(mail.submitter)],
    [m.submitted, dateTime(mail.created_at)],
    [t.purpose, mail.purpose === "code" ? t.code : t.notice],
    [t.expires, mail.expires_at ? dateTime(mail.expires_at) : t.never],
    [t.givesUp, dateTime(mail.give_up_at)],
    [t.messageId, <span class="mono">{mail.message_id}</span>],
  ];
}

function Actions({ mail, reload }: MessageProps) {
  const t = messageTexts();
  const { id, state, held } = mail;
  const done = useSignal("");
  const { isBusy, error, run } = useWork();
  const param = { id: encodeURIComponent(id) };
  const isPending = held || ["queued", "deferred"].includes(state);
  const retry = () =>
    run(async () => {
      await call(api.mail[":id"].retry.$post({ param }));
      done.value = t.retried;
      await reload();
    });
  const cancel = async () => {
    await call(api.mail[":id"].cancel.$post({ param }));
    done.value = t.canceled;
    await reload();
  };
  return (
    <>
      <ErrorNotice error={error.value} />
      {done.value && (
        <div role="status">
          <Notice kind="ok">{done.value}</Notice>
        </div>
      )}
      <div class="actions">
        {mail.can_retry && (held || state !== "queued") && (
          <button type="button" class="primary" disabled={isBusy.value} onClick={() => void retry()}>
            {t.retryNow}
          </button>
        )}
        {isPending && <Confirm label={t.cancel} question={t.cancelQuestion} work={cancel} />}
      </div>
    </>
  );
}
