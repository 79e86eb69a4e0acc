import { type EventValues, KINDS, type Kind, WITH_ARGUMENT } from "../event-form.ts";
import { eventTexts } from "../i18n/events.ts";
import { Select, TextArea } from "./choices.tsx";
import { Field } from "./field.tsx";

/** Returns the properties that connect an input with a value of the form. */
type Bind = <K extends keyof EventValues>(
  name: K,
) => {
  readonly label: string;
  readonly value: EventValues[K];
  readonly onChange: (value: EventValues[K]) => void;
  readonly error: string | undefined;
};

interface EventOptionsProps {
  readonly values: EventValues;
  readonly bind: Bind;
  /** Whether a key of the signatures is stored. */
  readonly hasSecret: boolean;
}

/** The options of an action: recipients and texts, or the URL of a webhook. */
export function EventOptions({ values, bind, hasSecret }: EventOptionsProps) {
  const t = eventTexts();
  if (values.action === "webhook") return <WebhookOptions bind={bind} hasSecret={hasSecret} />;
  const isMail = values.action === "sendmail";
  return (
    <>
      <Recipients values={values} bind={bind} />
      {isMail && <Field {...bind("subject")} />}
      <TextArea {...bind("body")} help={t.textHelp} />
      {isMail ? (
        <Field {...bind("emailconfig")} help={t.emailconfigHelp} />
      ) : (
        <Field {...bind("smsconfig")} help={t.smsconfigHelp} />
      )}
    </>
  );
}

function Recipients({ values: { action, to }, bind }: Pick<EventOptionsProps, "values" | "bind">) {
  const t = eventTexts();
  const texts: Readonly<Record<Kind, string>> = {
    email: t.email,
    tokenowner: t.tokenowner,
    logged_in_user: t.logged_in_user,
    "internal admin": t.internalAdmin,
    "admin realm": t.adminRealm,
    phone: t.phone,
  };
  const labels: Partial<Record<Kind, string>> = {
    email: t.addresses,
    "internal admin": t.adminName,
    "admin realm": t.realm,
    phone: t.numbers,
  };
  const kinds: readonly Kind[] = action === "sendsms" ? KINDS.sendsms : KINDS.sendmail;
  return (
    <>
      <Select {...bind("to")} options={kinds.map((kind) => [kind, texts[kind]] as const)} error={undefined} />
      {WITH_ARGUMENT.includes(to) && <Field {...bind("argument")} label={labels[to] ?? ""} required />}
    </>
  );
}

function WebhookOptions({ bind, hasSecret }: Pick<EventOptionsProps, "bind" | "hasSecret">) {
  const t = eventTexts();
  const { onChange, ...secret } = bind("secret");
  return (
    <>
      <Field {...bind("url")} help={t.urlHelp} required />
      <Field
        {...secret}
        onChange={onChange}
        help={hasSecret ? `${t.secretHelp} ${t.keepSecret}` : t.secretHelp}
        required={!hasSecret}
      />
      <div class="actions">
        <button type="button" onClick={() => onChange(newSecret())}>
          {t.createSecret}
        </button>
      </div>
    </>
  );
}

/** Returns a new key in the form of Standard Webhooks. */
function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}
