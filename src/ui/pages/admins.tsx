import { api, call, type ValueOf } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Table } from "../components/table.tsx";
import { useWork } from "../components/work.ts";
import { adminTexts } from "../i18n/admins.ts";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";
import { open, to } from "../router.ts";
import { may, session } from "../session.ts";

type Admin = ValueOf<typeof api.admin.$get>[number];

/** The admins. */
export function AdminsView() {
  const t = adminTexts();
  const list = useLoading(async () => (await call(api.admin.$get())).value);
  return (
    <PageFrame title={navigation().admins} subtitle={t.intro} actions={<NewAdmin />}>
      <Loaded from={list}>{(admins) => <AdminTable admins={admins} reload={list.reload} />}</Loaded>
    </PageFrame>
  );
}

function NewAdmin() {
  if (!may("adminwrite")) return null;
  return (
    <button type="button" class="primary" onClick={() => open("admin")}>
      {adminTexts().newAdmin}
    </button>
  );
}

interface AdminTableProps {
  readonly admins: readonly Admin[];
  readonly reload: () => Promise<void>;
}

function AdminTable({ admins, reload }: AdminTableProps) {
  const [t, l] = [adminTexts(), listTexts()];
  return (
    <Table
      caption={navigation().admins}
      rows={admins}
      keyOf={({ username, realm }) => `${username}@${realm}`}
      columns={[
        { head: t.username, kind: "wide", cell: nameOf },
        { head: t.realm, cell: ({ realm }) => realm || "–" },
        {
          head: t.state,
          cell: ({ enabled }) => (
            <Badge kind={enabled ? "ok" : "plain"}>{enabled ? l.enabled : l.disabled}</Badge>
          ),
        },
        { head: l.actions, kind: "buttons", cell: (admin) => <Actions admin={admin} reload={reload} /> },
      ]}
    />
  );
}

function nameOf({ username, realm }: Admin) {
  const isYou = username === session.value?.username;
  return (
    <>
      {may("adminwrite") ? <a href={to("admin", username, realm)}>{username}</a> : <span>{username}</span>}
      {isYou && <span class="faint"> ({adminTexts().you})</span>}
    </>
  );
}

interface ActionsProps {
  readonly admin: Admin;
  readonly reload: () => Promise<void>;
}

function Actions({ admin: { username, realm, enabled }, reload }: ActionsProps) {
  const l = listTexts();
  const { isBusy, error, run } = useWork();
  if (!may("adminwrite")) return null;
  const param = { username: encodeURIComponent(username) };
  const change = () =>
    run(async () => {
      await call(api.admin[":username"].$post({ param, json: { realm, enabled: !enabled } }));
      await reload();
    });
  const remove = async () => {
    await call(api.admin[":username"].$delete({ param, query: { realm } }));
    await reload();
  };
  return (
    <div class="actions">
      <ErrorNotice error={error.value} />
      <button type="button" disabled={isBusy.value} onClick={() => void change()}>
        {enabled ? l.disable : l.enable}
      </button>
      <Confirm label={l.remove} question={adminTexts().removeQuestion(username)} work={remove} />
    </div>
  );
}
