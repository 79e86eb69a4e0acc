import { useSignal } from "@preact/signals";
import { api, call } from "../api.ts";
import { StateBadge } from "../components/badge.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { MailChart, type MailStats } from "../components/mail-chart.tsx";
import { type MailFilter, MailFilters } from "../components/mail-filters.tsx";
import { MailTable } from "../components/mail-table.tsx";
import { OnHold } from "../components/on-hold.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Pager } from "../components/pager.tsx";
import { count, relativeTime } from "../i18n/language.ts";
import { listTexts } from "../i18n/lists.ts";
import { mailTexts } from "../i18n/mail.ts";
import { open } from "../router.ts";
import { may } from "../session.ts";

const RELOAD_MS = 10_000;

const ALL: MailFilter = { state: "", identifier: "", recipient: "" };

/** The queue: what waits and why, and the last day as a picture. */
export function MailView() {
  const t = mailTexts();
  const filter = useSignal(ALL);
  const pageNumber = useSignal(1);
  const list = useLoading(async () => {
    const { state, ...texts } = filter.peek();
    const query = { ...texts, ...(state && { state }), page: String(pageNumber.peek()) };
    return (await call(api.mail.$get({ query }))).value;
  }, RELOAD_MS);
  const stats = useLoading(async () => (await call(api.mail.stats.$get())).value, RELOAD_MS);
  const show = (changed: Partial<MailFilter>, page = 1) => {
    filter.value = { ...filter.peek(), ...changed };
    pageNumber.value = page;
    void list.reload();
  };
  const isFiltered = Object.values(filter.value).some((value) => value !== "");
  return (
    <PageFrame title={t.title} actions={<Compose />}>
      <OnHold
        held={stats.value.value?.held ?? 0}
        onRelease={() => Promise.all([stats.reload(), list.reload()])}
      />
      <section class="card" aria-labelledby="last-day">
        <h2 id="last-day">{t.lastDay}</h2>
        <Loaded from={stats}>{(value) => <MailChart stats={value} />}</Loaded>
        {stats.value.value && <Waiting stats={stats.value.value} onChoose={show} />}
      </section>
      <section class="list" aria-labelledby="messages">
        <h2 id="messages">{t.messages}</h2>
        {(isFiltered || list.value.value?.count !== 0) && (
          <MailFilters filter={filter.value} onFilter={show} />
        )}
        <Loaded from={list}>
          {(page) => {
            if (page.mails.length === 0) return isFiltered ? <NoMatch /> : <Empty />;
            return (
              <>
                <MailTable mails={page.mails} />
                <Pager page={page} onPage={(next) => show({}, next)} />
              </>
            );
          }}
        </Loaded>
      </section>
    </PageFrame>
  );
}

function NoMatch() {
  return <p class="faint">{listTexts().noMatch}</p>;
}

function Compose() {
  if (!may("mail_send")) return null;
  return (
    <button type="button" class="primary" onClick={() => open("compose")}>
      {mailTexts().compose}
    </button>
  );
}

function Empty() {
  const t = mailTexts();
  return (
    <div class="empty">
      <h3>{t.emptyTitle}</h3>
      <p>{may("mail_send") ? t.emptyText : t.emptyNoSend}</p>
    </div>
  );
}

interface WaitingProps {
  readonly stats: MailStats;
  readonly onChoose: (filter: Partial<MailFilter>) => void;
}

/** Counts the messages that wait, by server and state. */
function Waiting({ stats: { waiting }, onChoose }: WaitingProps) {
  const t = mailTexts();
  if (waiting.length === 0) return null;
  return (
    <div>
      <h3>{t.nowWaiting}</h3>
      <ul class="waiting">
        {waiting.map(({ identifier, state, count: messages, oldest }) => (
          <li key={`${identifier} ${state}`}>
            <button type="button" onClick={() => onChoose({ identifier, state, recipient: "" })}>
              {identifier} <StateBadge state={state} /> {count(messages)}
            </button>
            <span class="faint">{t.oldest(relativeTime(oldest))}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
