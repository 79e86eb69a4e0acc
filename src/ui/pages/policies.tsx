import { api, call, type ValueOf } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Table } from "../components/table.tsx";
import { useWork } from "../components/work.ts";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";
import { policyTexts } from "../i18n/policies.ts";
import { open, to } from "../router.ts";
import { may } from "../session.ts";

type Policy = ValueOf<typeof api.policy.$get>[number];

/** The policies of admins. */
export function PoliciesView() {
  const t = policyTexts();
  const list = useLoading(async () => (await call(api.policy.$get())).value);
  return (
    <PageFrame title={navigation().policies} subtitle={t.intro} actions={<NewPolicy />}>
      <Loaded from={list}>
        {(policies) =>
          policies.length === 0 ? (
            <div class="empty">
              <h2>{t.emptyTitle}</h2>
              <p>{t.emptyText}</p>
            </div>
          ) : (
            <PolicyTable policies={policies} reload={list.reload} />
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function NewPolicy() {
  if (!may("policywrite")) return null;
  return (
    <button type="button" class="primary" onClick={() => open("policy")}>
      {policyTexts().newPolicy}
    </button>
  );
}

interface PolicyTableProps {
  readonly policies: readonly Policy[];
  readonly reload: () => Promise<void>;
}

function PolicyTable({ policies, reload }: PolicyTableProps) {
  const [t, l] = [policyTexts(), listTexts()];
  return (
    <Table
      caption={navigation().policies}
      rows={policies}
      keyOf={({ id }) => id}
      columns={[
        { head: t.name, kind: "wide", cell: nameOf },
        {
          head: t.state,
          cell: ({ active }) => (
            <Badge kind={active ? "ok" : "plain"}>{active ? l.enabled : l.disabled}</Badge>
          ),
        },
        { head: t.rights, kind: "wide", cell: rightsOf },
        {
          head: t.who,
          kind: "wide",
          cell: ({ adminuser, adminrealm }) => [...adminuser, ...adminrealm].join(", ") || t.everyone,
        },
        { head: t.where, cell: ({ client }) => client.join(", ") || t.anywhere },
        { head: l.actions, kind: "buttons", cell: (policy) => <Actions policy={policy} reload={reload} /> },
      ]}
    />
  );
}

function nameOf({ name, description }: Policy) {
  return (
    <>
      {may("policywrite") ? <a href={to("policy", name)}>{name}</a> : <span>{name}</span>}
      {description && <p class="faint">{description}</p>}
    </>
  );
}

function rightsOf({ action }: Policy) {
  const rights = Object.keys(action).map((right) => (right === "*" ? policyTexts().allRights : right));
  return <span>{rights.join(", ")}</span>;
}

function Actions({
  policy: { name, active },
  reload,
}: { readonly policy: Policy } & Pick<PolicyTableProps, "reload">) {
  const l = listTexts();
  const { isBusy, error, run } = useWork();
  const param = { name: encodeURIComponent(name) };
  const change = () =>
    run(async () => {
      await call(api.policy[active ? "disable" : "enable"][":name"].$post({ param }));
      await reload();
    });
  const remove = async () => {
    await call(api.policy[":name"].$delete({ param }));
    await reload();
  };
  return (
    <div class="actions">
      <ErrorNotice error={error.value} />
      {may("policywrite") && (
        <button type="button" disabled={isBusy.value} onClick={() => void change()}>
          {active ? l.disable : l.enable}
        </button>
      )}
      {may("policydelete") && (
        <Confirm label={l.remove} question={policyTexts().removeQuestion(name)} work={remove} />
      )}
    </div>
  );
}
