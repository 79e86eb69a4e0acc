import { useSignal } from "@preact/signals";
import { call, detailText, pluginApi } from "../api.ts";
import { tokenTexts } from "../i18n/tokens.ts";
import { may } from "../session.ts";
import { Checkbox, Select } from "./choices.tsx";
import { Field } from "./field.tsx";
import { ErrorNotice, Notice } from "./notice.tsx";
import type { Person } from "./person-form.tsx";
import { useForm } from "./work.ts";

type Type = "email" | "sms";
const RIGHTS: Readonly<Record<Type, string>> = { email: "enrollEMAIL", sms: "enrollSMS" };
const TYPES: readonly Type[] = ["email", "sms"];

interface EnrollFormProps {
  readonly person: Person;
  readonly onEnrolled: () => Promise<void>;
}

/** A token whose code has to be entered. */
interface Pending {
  readonly type: Type;
  readonly serial: string;
}

/** Enrolls a token for a user, with the verification that the settings ask for. */
export function EnrollForm({ person, onEnrolled }: EnrollFormProps) {
  const t = tokenTexts();
  const pending = useSignal<Pending | null>(null);
  const done = useSignal<"" | "enrolled" | "codeNotSent">("");
  const settle = async (result: "enrolled" | "codeNotSent" | Pending) => {
    pending.value = typeof result === "string" ? null : result;
    done.value = typeof result === "string" ? result : "";
    await onEnrolled();
  };
  return (
    <section class="card form" aria-labelledby="enroll">
      <h3 id="enroll">{t.enroll}</h3>
      {done.value && (
        <div role="status">
          <Notice kind={done.value === "enrolled" ? "ok" : "error"}>{t[done.value]}</Notice>
        </div>
      )}
      {pending.value ? (
        <VerifyForm pending={pending.value} onDone={settle} />
      ) : (
        <InitForm person={person} onDone={settle} />
      )}
    </section>
  );
}

interface InitFormProps {
  readonly person: Person;
  readonly onDone: (result: "enrolled" | "codeNotSent" | Pending) => Promise<void>;
}

function InitForm({ person: { username: user, realm, email, phone }, onDone }: InitFormProps) {
  const t = tokenTexts();
  const types = TYPES.filter((type) => may(RIGHTS[type]));
  const first: Type = types[0] ?? "email";
  const { values, bind, isBusy, error, onSubmit } = useForm(
    { type: first, isDynamic: true, email, phone, pin: "", description: "" },
    { ...t, phone: t.address },
  );
  const { type, isDynamic } = values.value;
  const enroll = onSubmit(async () => {
    const given = values.peek();
    const address = given.type === "email" ? { email: given.email } : { phone: given.phone };
    const dynamic = given.type === "email" ? { dynamic_email: true } : { dynamic_phone: true };
    const { pin, description } = given;
    const json = {
      type: given.type,
      user,
      realm,
      pin,
      description,
      ...(given.isDynamic ? dynamic : address),
    };
    const { value, detail } = await call(pluginApi.token.init.$post({ json }));
    if (!value) return await onDone("codeNotSent");
    const isPending = detailText(detail, "rollout_state") === "verify";
    await onDone(isPending ? { type: given.type, serial: detailText(detail, "serial") } : "enrolled");
  });
  return (
    <form class="stack" onSubmit={enroll} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      {types.length > 1 && <Select {...bind("type")} options={types.map((one) => [one, t[one]] as const)} />}
      <Checkbox {...bind("isDynamic")} />
      {!isDynamic && <Field {...bind(type === "email" ? "email" : "phone")} label={t.address} required />}
      {may("setpin") && (
        <Field {...bind("pin")} help={t.pinHelp} type="password" autoComplete="new-password" />
      )}
      <Field {...bind("description")} />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {t.enroll}
        </button>
      </div>
    </form>
  );
}

interface VerifyFormProps {
  readonly pending: Pending;
  readonly onDone: (result: "enrolled") => Promise<void>;
}

function VerifyForm({ pending: { type, serial }, onDone }: VerifyFormProps) {
  const t = tokenTexts();
  const { values, bind, isBusy, error, onSubmit } = useForm({ code: "" }, t, { code: "verify" });
  const verify = onSubmit(async () => {
    const json = { type, serial, verify: values.peek().code.trim() };
    await call(pluginApi.token.init.$post({ json }));
    await onDone("enrolled");
  });
  return (
    <form class="stack" onSubmit={verify} aria-busy={isBusy.value}>
      <Notice kind="info">{t.codeSent}</Notice>
      <ErrorNotice error={error} />
      <Field {...bind("code")} autoComplete="one-time-code" required />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {t.verify}
        </button>
      </div>
    </form>
  );
}
