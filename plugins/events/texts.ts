import { eventField, type HandlerContext, identifierOf } from "./context.ts";
import type { Recipient } from "./recipients.ts";

const english = `Hello {recipient_givenname},

{event} at {time} UTC on {date}.

User: {username}
Token: {serial}
Definition: {identifier}
By: {admin}
From: {client_ip}
Outcome: {authentication} {state} {phase} {reason}
`;
const german = `Hallo {recipient_givenname},

{event} um {time} UTC am {date}.

Benutzer: {username}
Token: {serial}
Definition: {identifier}
Durch: {admin}
Von: {client_ip}
Ergebnis: {authentication} {state} {phase} {reason}
`;

/** Built-in template of an SMS, whose values need no translation. */
export const SMS_TEXT = "{event} {date} {time} UTC {username} {serial} {identifier} {reason}";

/** Built-in templates. */
export const TEXTS = {
  en: { subject: "{event}", body: english, html: `<pre>${english}</pre>` },
  de: { subject: "{event}", body: german, html: `<pre>${german}</pre>` },
} as const;

/** Languages of the built-in texts; the first is the default. */
export const LANGUAGES = ["en", "de"] as const satisfies readonly (keyof typeof TEXTS)[];

/** @param language that of a binding; an event has none. */
export function languageOf(language: string | undefined): keyof typeof TEXTS {
  return LANGUAGES.find((name) => name === language) ?? LANGUAGES[0];
}

/** The source of tag values. */
interface TagSource {
  readonly context: HandlerContext;
  readonly recipient: Pick<Recipient, "givenname" | "surname">;
  /** Public URL of this instance, or empty if not set. */
  readonly baseUrl: string;
}

const TIME = { from: "YYYY-MM-DDT".length, to: "YYYY-MM-DDTHH:MM".length };

/** Tags of templates: those of privacyIDEA that apply here, then Sealpost's own. Unknown values are empty. */
const TAG_VALUES: Readonly<Record<string, (source: TagSource) => string>> = {
  admin: ({ context }) => context.event.actor?.username ?? "",
  realm: ({ context }) => context.event.actor?.realm ?? "",
  action: ({ context }) => context.event.action,
  serial: ({ context }) => eventField(context.event, "serial"),
  url: ({ baseUrl }) => baseUrl,
  user: ({ context }) => context.owner?.givenname || eventField(context.event, "user"),
  username: ({ context }) => eventField(context.event, "user"),
  userrealm: ({ context }) => eventField(context.event, "realm"),
  givenname: ({ context }) => context.owner?.givenname ?? "",
  surname: ({ context }) => context.owner?.surname ?? "",
  recipient_givenname: ({ recipient }) => recipient.givenname,
  recipient_surname: ({ recipient }) => recipient.surname,
  tokentype: ({ context }) => eventField(context.event, "tokentype"),
  time: ({ context }) => context.event.at.toISOString().slice(TIME.from, TIME.to),
  date: ({ context }) => context.event.at.toISOString().slice(0, "YYYY-MM-DD".length),
  client_ip: ({ context }) => context.event.client ?? "",

  event: ({ context }) => context.event.name,
  plugin: ({ context }) => context.event.plugin,
  success: ({ context }) => String(context.event.success),
  status: ({ context }) => String(context.event.status ?? ""),
  authentication: ({ context }) => eventField(context.event, "authentication"),
  identifier: ({ context }) => identifierOf(context.event),
  recipients: ({ context }) => eventField(context.event, "recipients"),
  state: ({ context }) => eventField(context.event, "state"),
  phase: ({ context }) => eventField(context.event, "phase"),
  reason: ({ context }) => eventField(context.event, "code"),
  days_left: ({ context }) => eventField(context.event, "daysLeft"),
  expires: ({ context }) => eventField(context.event, "expires"),
};

export const TAGS: readonly string[] = Object.keys(TAG_VALUES);

/** Returns the value of every tag. */
export function tagValues(source: TagSource): Record<string, string> {
  return Object.fromEntries(Object.entries(TAG_VALUES).map(([tag, read]) => [tag, read(source)]));
}
