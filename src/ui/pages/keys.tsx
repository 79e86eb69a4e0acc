import { api, call, type ValueOf } from "../api.ts";
import { Confirm } from "../components/confirm.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Table } from "../components/table.tsx";
import { keyTexts } from "../i18n/keys.ts";
import { relativeTime } from "../i18n/language.ts";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";
import { open } from "../router.ts";
import { may } from "../session.ts";

type Key = ValueOf<typeof api.apikey.$get>[number];

/** The API keys of all admins. */
export function KeysView() {
  const t = keyTexts();
  const list = useLoading(async () => (await call(api.apikey.$get())).value);
  return (
    <PageFrame title={navigation().keys} subtitle={t.intro} actions={<NewKey />}>
      <Loaded from={list}>
        {(keys) =>
          keys.length === 0 ? (
            <div class="empty">
              <h2>{t.emptyTitle}</h2>
              <p>{t.emptyText}</p>
            </div>
          ) : (
            <KeyTable keys={keys} reload={list.reload} />
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function NewKey() {
  if (!may("apikey_write")) return null;
  return (
    <button type="button" class="primary" onClick={() => open("key")}>
      {keyTexts().newKey}
    </button>
  );
}

interface KeyTableProps {
  readonly keys: readonly Key[];
  readonly reload: () => Promise<void>;
}

function KeyTable({ keys, reload }: KeyTableProps) {
  const t = keyTexts();
  const remove = async (id: string) => {
    await call(api.apikey[":id"].$delete({ param: { id: encodeURIComponent(id) } }));
    await reload();
  };
  return (
    <Table
      caption={navigation().keys}
      rows={keys}
      keyOf={({ id }) => id}
      columns={[
        { head: t.name, kind: "wide", cell: ({ name }) => name },
        { head: t.rights, kind: "wide", cell: ({ rights }) => <span>{rights.join(", ")}</span> },
        {
          head: t.servers,
          kind: "wide",
          cell: ({ servers }) => <span>{servers.join(", ") || listTexts().all}</span>,
        },
        { head: t.administrator, cell: ({ administrator }) => administrator },
        { head: t.ends, cell: ({ expires_at }) => (expires_at ? relativeTime(expires_at) : t.never) },
        {
          head: t.lastUsed,
          cell: ({ last_used_at }) => (last_used_at ? relativeTime(last_used_at) : t.unused),
        },
        ...(may("apikey_write")
          ? [
              {
                head: listTexts().actions,
                kind: "buttons" as const,
                cell: ({ id, name }: Key) => (
                  <div class="actions">
                    <Confirm
                      label={listTexts().remove}
                      question={t.removeQuestion(name)}
                      work={() => remove(id)}
                    />
                  </div>
                ),
              },
            ]
          : []),
      ]}
    />
  );
}
