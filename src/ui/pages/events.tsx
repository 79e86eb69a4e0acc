import { call, pluginApi, type ValueOf } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Table } from "../components/table.tsx";
import { useWork } from "../components/work.ts";
import { eventTexts } from "../i18n/events.ts";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";
import { open, to } from "../router.ts";
import { may } from "../session.ts";

type Binding = ValueOf<typeof pluginApi.event.$get>[number];

/** Events that a row names; the others are counted. */
const MAX_NAMED = 4;

/** The messages and webhooks that events cause. */
export function EventsView() {
  const t = eventTexts();
  const list = useLoading(async () => (await call(pluginApi.event.$get())).value);
  return (
    <PageFrame title={navigation().events} subtitle={t.intro} actions={<PageActions />}>
      <Loaded from={list}>
        {(bindings) =>
          bindings.length === 0 ? (
            <div class="empty">
              <h2>{t.emptyTitle}</h2>
              <p>{t.emptyText}</p>
            </div>
          ) : (
            <BindingTable bindings={bindings} reload={list.reload} />
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function PageActions() {
  const t = eventTexts();
  return (
    <>
      <button type="button" onClick={() => open("webhooks")}>
        {t.deliveries}
      </button>
      {may("eventhandling_write") && (
        <button type="button" class="primary" onClick={() => open("event")}>
          {t.newBinding}
        </button>
      )}
    </>
  );
}

interface BindingTableProps {
  readonly bindings: readonly Binding[];
  readonly reload: () => Promise<void>;
}

function BindingTable({ bindings, reload }: BindingTableProps) {
  const [t, l] = [eventTexts(), listTexts()];
  const actions = (binding: Binding) => <RowActions binding={binding} reload={reload} />;
  return (
    <Table
      caption={navigation().events}
      rows={bindings}
      keyOf={({ id }) => id}
      columns={[
        { head: t.name, kind: "wide", cell: nameOf },
        { head: t.events, kind: "wide", cell: causesOf },
        { head: t.action, kind: "wide", cell: actionOf },
        {
          head: t.state,
          cell: ({ active }) => (
            <Badge kind={active ? "ok" : "plain"}>{active ? l.enabled : l.disabled}</Badge>
          ),
        },
        ...(may("eventhandling_write") ? [{ head: l.actions, kind: "buttons" as const, cell: actions }] : []),
      ]}
    />
  );
}

function nameOf({ id, name }: Binding) {
  return may("eventhandling_write") ? <a href={to("event", String(id))}>{name}</a> : <span>{name}</span>;
}

function causesOf({ event }: Binding) {
  const more = event.length - MAX_NAMED;
  return (
    <span>
      {event.slice(0, MAX_NAMED).join(", ")}
      {more > 0 && ` ${eventTexts().more(more)}`}
    </span>
  );
}

function actionOf({ action, options }: Binding) {
  const text = new Map<string, unknown>(Object.entries(eventTexts())).get(action);
  const { To: kind = "" } = options;
  const target = options.url ?? options[`To ${kind}`] ?? "";
  return (
    <>
      <span>{typeof text === "string" ? text : action}</span>
      {target && <p class="faint">{target}</p>}
    </>
  );
}

function RowActions({
  binding: { id: number, name, active },
  reload,
}: { readonly binding: Binding } & Pick<BindingTableProps, "reload">) {
  const l = listTexts();
  const { isBusy, error, run } = useWork();
  const param = { id: String(number) };
  const change = () =>
    run(async () => {
      await call(pluginApi.event[active ? "disable" : "enable"][":id"].$post({ param }));
      await reload();
    });
  const remove = async () => {
    await call(pluginApi.event[":id"].$delete({ param }));
    await reload();
  };
  return (
    <div class="actions">
      <ErrorNotice error={error.value} />
      <button type="button" disabled={isBusy.value} onClick={() => void change()}>
        {active ? l.disable : l.enable}
      </button>
      <Confirm label={l.remove} question={eventTexts().removeQuestion(name)} work={remove} />
    </div>
  );
}
