import { useSignal } from "@preact/signals";
import { call, detailText, pluginApi, type ValueOf } from "../api.ts";
import { listTexts } from "../i18n/lists.ts";
import { peopleTexts } from "../i18n/people.ts";
import { open } from "../router.ts";
import { may } from "../session.ts";
import { Checkbox, TextArea } from "./choices.tsx";
import { Confirm } from "./confirm.tsx";
import { Field } from "./field.tsx";
import { ErrorNotice, Notice } from "./notice.tsx";
import { useForm } from "./work.ts";

export type Person = ValueOf<typeof pluginApi.user.$get>[number];

const NEW = { username: "", realm: "", givenname: "", surname: "", email: "", phone: "", password: "" };

/** Adds a user. */
export function NewPerson() {
  const t = peopleTexts();
  const { values, bind, isBusy, error, onSubmit } = useForm(NEW, t);
  const add = onSubmit(async () => {
    const { realm, email, phone, password, ...names } = values.peek();
    const given = Object.entries({ realm, email, phone, password }).filter(([, text]) => text !== "");
    await call(pluginApi.user.$post({ json: { ...names, ...Object.fromEntries(given) } }));
    const query = { username: names.username.trim(), ...(realm && { realm }) };
    // The API knows the default realm.
    const [person] = may("userlist") ? (await call(pluginApi.user.$get({ query }))).value : [];
    if (person) open("person", person.username, person.realm);
    else open("people");
  });
  return (
    <form class="card form" onSubmit={add} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      <Field {...bind("username")} autoCapitalize="none" required />
      <Field {...bind("givenname")} />
      <Field {...bind("surname")} />
      <Field {...bind("email")} type="email" />
      <Field {...bind("phone")} />
      <Field {...bind("password")} help={t.passwordHelp} type="password" autoComplete="new-password" />
      <Field {...bind("realm")} help={t.realmHelp} autoCapitalize="none" />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {listTexts().save}
        </button>
      </div>
    </form>
  );
}

interface ChangePersonProps {
  readonly person: Person;
  readonly reload: () => Promise<void>;
}

type Result = "" | "saved" | "codeSent" | "notSent" | "wrongCode" | "unchanged";

/** Changes the data of a user. A new address can wait for its code. */
export function ChangePerson({ person, reload }: ChangePersonProps) {
  const [t, l] = [peopleTexts(), listTexts()];
  const { username, realm, givenname, surname, email, phone, certificate } = person;
  const result = useSignal<Result>("");
  const initial = { givenname, surname, email, phone, certificate, confirm_email: true, code: "" };
  const { values, bind, isBusy, error, onSubmit } = useForm(initial, t, { code: "confirm" });
  const isPending = result.value === "codeSent" || result.value === "wrongCode";
  const save = onSubmit(async () => {
    const { code, confirm_email, ...fields } = values.peek();
    const json = { username, realm, ...fields };
    const isNewEmail = fields.email !== email && fields.email !== "";
    const confirmed = isPending ? { confirm: code.trim() } : { confirm_email: confirm_email && isNewEmail };
    const { value, detail } = await call(pluginApi.user.$put({ json: { ...json, ...confirmed } }));
    if (detailText(detail, "valid_until") !== "") result.value = "codeSent";
    else if (value) {
      // First, or the new address would look unsaved for a moment.
      await reload();
      result.value = "saved";
    } else if (isPending) result.value = "wrongCode";
    else result.value = detailText(detail, "message") === "" ? "unchanged" : "notSent";
  });
  const remove = async () => {
    const param = { realm: encodeURIComponent(realm), username: encodeURIComponent(username) };
    await call(pluginApi.user[":realm"][":username"].$delete({ param }));
    open("people");
  };
  const isLocked = !may("updateuser");
  return (
    <form class="card form" onSubmit={save} aria-busy={isBusy.value} aria-label={t.data}>
      <ErrorNotice error={error} />
      <ResultNotice result={result.value} />
      <Field {...bind("givenname")} disabled={isLocked} />
      <Field {...bind("surname")} disabled={isLocked} />
      <Field {...bind("email")} type="email" disabled={isLocked || isPending} />
      {values.value.email !== email && !isPending && <Checkbox {...bind("confirm_email")} />}
      <Field {...bind("phone")} disabled={isLocked} />
      <TextArea {...bind("certificate")} isCode />
      {isPending && <Field {...bind("code")} autoComplete="one-time-code" required />}
      <div class="actions">
        {!isLocked && (
          <button type="submit" class="primary" disabled={isBusy.value}>
            {isPending ? t.confirm : l.save}
          </button>
        )}
        {may("deleteuser") && (
          <Confirm label={l.remove} question={t.removeQuestion(username)} work={remove} />
        )}
      </div>
    </form>
  );
}

function ResultNotice({ result }: { readonly result: Result }) {
  const t = peopleTexts();
  if (result === "") return null;
  const texts = {
    saved: listTexts().saved,
    codeSent: t.codeSent,
    notSent: t.notSent,
    wrongCode: t.wrongCode,
    unchanged: t.unchanged,
  };
  const kinds = {
    saved: "ok",
    codeSent: "info",
    notSent: "error",
    wrongCode: "error",
    unchanged: "error",
  } as const;
  return (
    <div role="status">
      <Notice kind={kinds[result]}>{texts[result]}</Notice>
    </div>
  );
}
