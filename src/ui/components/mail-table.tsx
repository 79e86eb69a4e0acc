import type * as v from "valibot";
import type { mailView } from "../../http/mail-schema.ts";
import { failureText } from "../i18n/failures.ts";
import { relativeTime } from "../i18n/language.ts";
import { mailTexts, submitterText, waitText } from "../i18n/mail.ts";
import { to } from "../router.ts";
import { StateBadge } from "./badge.tsx";
import { Table } from "./table.tsx";

type Mail = v.InferOutput<typeof mailView>;

/** Queued messages, newest first. */
export function MailTable({ mails }: { readonly mails: readonly Mail[] }) {
  const t = mailTexts();
  return (
    <Table
      caption={t.messages}
      rows={mails}
      keyOf={({ id }) => id}
      columns={[
        { head: t.recipients, kind: "wide", cell: recipientsOf },
        { head: t.state, cell: stateOf },
        { head: t.server, cell: ({ identifier }) => identifier },
        {
          head: t.submitted,
          cell: ({ created_at }) => <time dateTime={created_at}>{relativeTime(created_at)}</time>,
        },
        { head: t.submitter, cell: ({ submitter }) => submitterText(submitter) },
        { head: t.failure, kind: "wide", cell: failureOf },
      ]}
    />
  );
}

function recipientsOf({ id, recipients: [first, ...others] }: Mail) {
  return (
    <>
      <a href={to("message", id)}>{first?.address}</a>
      {others.length > 0 && <span class="faint"> {mailTexts().more(others.length)}</span>}
    </>
  );
}

function stateOf(mail: Mail) {
  const wait = waitText(mail);
  return (
    <>
      <StateBadge state={mail.state} />
      {wait && <p class="faint">{wait}</p>}
    </>
  );
}

function failureOf({ recipients }: Mail) {
  const code = recipients.find(({ failure }) => failure !== null)?.failure?.code;
  return code ? failureText(code) : "–";
}
