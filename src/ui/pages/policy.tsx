import { api, call, type ValueOf } from "../api.ts";
import { Checkbox } from "../components/choices.tsx";
import { Field } from "../components/field.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { RightsField } from "../components/rights-field.tsx";
import { useForm } from "../components/work.ts";
import { common } from "../i18n/common.ts";
import { listTexts } from "../i18n/lists.ts";
import { policyTexts } from "../i18n/policies.ts";
import { open, type PageProps } from "../router.ts";

type Policy = ValueOf<typeof api.policy.$get>[number];

/** Creates or changes a policy. */
export function PolicyView({ args: [name] }: PageProps) {
  const t = policyTexts();
  const stored = useLoading(async () => {
    if (name === undefined) return [];
    return (await call(api.policy[":name"].$get({ param: { name: encodeURIComponent(name) } }))).value;
  });
  return (
    <PageFrame title={name === undefined ? t.newPolicy : t.editTitle} subtitle={name}>
      <Loaded from={stored}>{([policy]) => <PolicyForm policy={policy} />}</Loaded>
    </PageFrame>
  );
}

/** @param props.policy `undefined` for a new one */
function PolicyForm({ policy }: { readonly policy: Policy | undefined }) {
  const t = policyTexts();
  const { values, bind, isBusy, error, onSubmit } = useForm(valuesOf(policy), t, { rights: "action" });
  const save = onSubmit(async () => {
    const { name, isAll, rights, adminuser, adminrealm, client, time, priority, description, active } =
      values.peek();
    const action = isAll ? ["*", ...rights.filter((right) => right.startsWith("!"))] : [...rights];
    const json = {
      scope: "admin",
      action,
      adminuser,
      adminrealm,
      client,
      time,
      description,
      active,
    } as const;
    const param = { name: encodeURIComponent(name.trim()) };
    await call(api.policy[":name"].$post({ param, json: { ...json, priority: Number(priority) } }));
    open("policies");
  });
  return (
    <form class="card form" onSubmit={save} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      <Field
        {...bind("name")}
        help={t.nameHelp}
        pattern="[\w.\-]+"
        disabled={policy !== undefined}
        required
      />
      <Field {...bind("description")} />
      <Checkbox {...bind("isAll")} />
      {!values.value.isAll && <RightsField {...bind("rights")} />}
      <Field {...bind("adminuser")} help={t.adminuserHelp} />
      <Field {...bind("adminrealm")} />
      <Field {...bind("client")} help={t.clientHelp} />
      <Field {...bind("time")} help={t.timeHelp} />
      <Field {...bind("priority")} help={t.priorityHelp} type="number" min={1} required />
      <Checkbox {...bind("active")} />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {listTexts().save}
        </button>
        <button type="button" onClick={() => open("policies")}>
          {common().cancel}
        </button>
      </div>
    </form>
  );
}

function valuesOf(policy: Policy | undefined) {
  const { name = "", action = {}, adminuser = [], adminrealm = [], client = [] } = policy ?? {};
  const { time = "", priority = 1, description = "", active = true } = policy ?? {};
  const given = Object.entries(action).map(([right, value]) =>
    value === true ? right : `${right}=${value}`,
  );
  const rights: readonly string[] = given.filter((right) => right !== "*");
  return {
    name,
    description,
    isAll: given.includes("*"),
    rights,
    adminuser: adminuser.join(", "),
    adminrealm: adminrealm.join(", "),
    client: client.join(", "),
    time,
    priority: String(priority),
    active,
  };
}
