import type { pluginApi, ValueOf } from "./api.ts";

export type Binding = ValueOf<typeof pluginApi.event.$get>[number];

export const ACTIONS = ["sendmail", "sendsms", "webhook"] as const;
export type Action = (typeof ACTIONS)[number];
/** Kinds of recipients by action, as the API names them. */
export const KINDS = {
  sendmail: ["email", "tokenowner", "logged_in_user", "internal admin", "admin realm"],
  sendsms: ["tokenowner", "phone", "admin realm"],
} as const;
export type Kind = (typeof KINDS)[keyof typeof KINDS][number];
/** Kinds whose argument the form has; for the others it is an attribute of the directory. */
export const WITH_ARGUMENT: readonly Kind[] = ["email", "internal admin", "admin realm", "phone"];

/** The parameters of the API by the values of the form. */
export const PARAMETERS = {
  events: "event",
  to: "option.To",
  argument: "option.To",
  subject: "option.subject",
  body: "option.body",
  emailconfig: "option.emailconfig",
  smsconfig: "option.smsconfig",
  url: "option.url",
  secret: "option.secret",
} as const;

export interface EventValues {
  readonly name: string;
  readonly events: readonly string[];
  readonly action: Action;
  readonly to: Kind;
  readonly argument: string;
  readonly subject: string;
  readonly body: string;
  readonly emailconfig: string;
  readonly smsconfig: string;
  readonly url: string;
  /** Empty to keep the stored one. */
  readonly secret: string;
  readonly active: boolean;
}

/** Returns the values of a binding. @param binding `undefined` for a new one */
export function valuesOf(binding: Binding | undefined): EventValues {
  const { name = "", event = [], options = {}, active = true } = binding ?? {};
  const action = ACTIONS.find((one) => one === binding?.action) ?? "sendmail";
  const kinds: readonly Kind[] = [...KINDS.sendmail, ...KINDS.sendsms];
  const to = kinds.find((kind) => kind === options.To) ?? (binding ? "tokenowner" : "email");
  return {
    name,
    events: event,
    action,
    to,
    argument: options[`To ${to}`] ?? "",
    subject: options.subject ?? "",
    body: options.body ?? "",
    emailconfig: options.emailconfig ?? "",
    smsconfig: options.smsconfig ?? "",
    url: options.url ?? "",
    secret: "",
    active,
  };
}

/** Returns the parameters of a save. Options of the same action that the form does not have stay as they are. */
export function bodyOf(values: EventValues, stored: Binding | undefined) {
  const { name, events, action, active } = values;
  const kept = stored?.action === action ? stored.options : {};
  const options = { ...withoutRecipients(kept), ...optionsOf(values) };
  const given = Object.entries(options).filter(([, value]) => value !== "");
  return {
    ...(stored && { id: stored.id, ordering: stored.ordering, conditions: stored.conditions }),
    name,
    event: [...events],
    handlermodule: "UserNotification",
    action,
    active,
    ...Object.fromEntries(given.map(([option, value]) => [`option.${option}`, value])),
  };
}

function optionsOf(values: EventValues): Readonly<Record<string, string>> {
  const { action, to, argument, subject, body, emailconfig, smsconfig, url, secret } = values;
  // An absent key stays as it is stored.
  if (action === "webhook") return { url, secret };
  const recipients = { To: to, [`To ${to}`]: argument };
  return action === "sendsms"
    ? { ...recipients, smsconfig, body }
    : { ...recipients, emailconfig, subject, body };
}

/** An argument of another kind of recipient would have no meaning. */
function withoutRecipients(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !/^To\b/.test(name)));
}
