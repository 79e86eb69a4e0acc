import { useSignal } from "@preact/signals";
import { call, pluginApi, type ValueOf } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Pager } from "../components/pager.tsx";
import { Table } from "../components/table.tsx";
import { eventTexts, webhookTexts } from "../i18n/events.ts";
import { failureText } from "../i18n/failures.ts";
import { count, relativeTime } from "../i18n/language.ts";
import { waitText } from "../i18n/mail.ts";

type Delivery = ValueOf<typeof pluginApi.webhook.$get>["webhooks"][number];

const PAGE_SIZE = "25";
const RELOAD_MS = 5_000;
const KINDS = { queued: "warn", delivered: "ok", failed: "error", cancelled: "plain" } as const;

/** The deliveries of webhooks. */
export function WebhooksView() {
  const t = webhookTexts();
  const pageNumber = useSignal(1);
  const deliveries = useLoading(async () => {
    const query = { page: String(pageNumber.peek()), page_size: PAGE_SIZE };
    return (await call(pluginApi.webhook.$get({ query }))).value;
  }, RELOAD_MS);
  return (
    <PageFrame title={eventTexts().deliveries} subtitle={t.intro}>
      <Loaded from={deliveries}>
        {(page) =>
          page.webhooks.length === 0 ? (
            <p class="faint">{t.none}</p>
          ) : (
            <>
              <DeliveryTable rows={page.webhooks} />
              <Pager
                page={page}
                onPage={(next) => {
                  pageNumber.value = next;
                  void deliveries.reload();
                }}
              />
            </>
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function DeliveryTable({ rows }: { readonly rows: readonly Delivery[] }) {
  const t = webhookTexts();
  return (
    <Table
      caption={eventTexts().deliveries}
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        { head: t.binding, cell: ({ name }) => name },
        { head: t.event, kind: "wide", cell: ({ event }) => <span>{event}</span> },
        { head: t.origin, kind: "wide", cell: ({ origin }) => <span>{origin}</span> },
        { head: t.state, cell: stateOf },
        { head: t.attempts, kind: "number", cell: ({ attempts }) => count(attempts) },
        { head: t.reply, cell: replyOf },
        { head: t.date, cell: ({ created_at }) => relativeTime(created_at) },
      ]}
    />
  );
}

function stateOf({ state, held, next_try }: Delivery) {
  const t = webhookTexts();
  const wait = waitText({ held, next_try });
  return (
    <>
      <Badge kind={KINDS[state]}>{t[state]}</Badge>
      {wait && <p class="faint">{wait}</p>}
    </>
  );
}

function replyOf({ status, code }: Delivery) {
  if (code !== null) return failureText(code);
  return status === null ? "–" : String(status);
}
