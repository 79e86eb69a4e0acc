import { api, call } from "../api.ts";
import { Checkbox } from "../components/choices.tsx";
import { Field } from "../components/field.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { useForm } from "../components/work.ts";
import { adminTexts } from "../i18n/admins.ts";
import { common } from "../i18n/common.ts";
import { listTexts } from "../i18n/lists.ts";
import { open, type PageProps } from "../router.ts";

const NEW = { username: "", realm: "", password: "", enabled: true };

/** Creates an admin, or sets the password of one. */
export function AdminView({ args: [username, realm = ""] }: PageProps) {
  const t = adminTexts();
  const isNew = username === undefined;
  const initial = { ...NEW, ...(username !== undefined && { username, realm }) };
  const { values, bind, isBusy, error, onSubmit } = useForm(initial, t);
  const save = onSubmit(async () => {
    const given = values.peek();
    const json = { realm: given.realm, ...(given.password && { password: given.password }) };
    const param = { username: encodeURIComponent(given.username.trim()) };
    const route = api.admin[":username"];
    if (isNew) {
      const headers = { "If-None-Match": "*" };
      await call(route.$post({ param, json: { ...json, enabled: given.enabled } }, { headers }));
    } else await call(route.$post({ param, json }, { headers: { "If-Match": "*" } }));
    open("admins");
  });
  return (
    <PageFrame title={isNew ? t.newAdmin : t.editTitle} subtitle={username}>
      <form class="card form" onSubmit={save} aria-busy={isBusy.value}>
        <ErrorNotice error={error} />
        {isNew && <Field {...bind("username")} autoCapitalize="none" required />}
        {isNew && <Field {...bind("realm")} help={t.realmHelp} autoCapitalize="none" />}
        <Field
          {...bind("password")}
          label={isNew ? t.password : t.newPassword}
          help={isNew ? t.passwordHelp : t.keepHelp}
          type="password"
          autoComplete="new-password"
          required={isNew}
        />
        {isNew && <Checkbox {...bind("enabled")} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy.value}>
            {listTexts().save}
          </button>
          <button type="button" onClick={() => open("admins")}>
            {common().cancel}
          </button>
        </div>
      </form>
    </PageFrame>
  );
}
