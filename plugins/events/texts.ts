import { identifierOf, type Scene, said } from "./context.ts";
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

/** What is sent where a binding says nothing else; templates. */
export const TEXTS = {
  en: { subject: "{event}", body: english, html: `<pre>${english}</pre>` },
  de: { subject: "{event}", body: german, html: `<pre>${german}</pre>` },
} as const;

/** The languages that there are built-in texts in, the default first. */
export const LANGUAGES = ["en", "de"] as const satisfies readonly (keyof typeof TEXTS)[];

/** @param language as a binding has it; an event has none of its own. */
export function languageOf(language: string | undefined): keyof typeof TEXTS {
  return LANGUAGES.find((name) => name === language) ?? LANGUAGES[0];
}

/** An event as a template sees it. */
export interface Telling {
  readonly scene: Scene;
  readonly recipient: Recipient;
  /** Public URL of this service; empty: not set. */
  readonly baseUrl: string;
}

const TIME = { from: "YYYY-MM-DDT".length, to: "YYYY-MM-DDTHH:MM".length };

/** What templates may name: those of the reference that have a meaning here, then Sealpost's own. Unknown is empty. */
const TABLE: Readonly<Record<string, (telling: Telling) => string>> = {
  admin: ({ scene }) => scene.event.actor?.username ?? "",
  realm: ({ scene }) => scene.event.actor?.realm ?? "",
  action: ({ scene }) => scene.event.action,
  serial: ({ scene }) => said(scene.event, "serial"),
  url: ({ baseUrl }) => baseUrl,
  user: ({ scene }) => scene.owner?.givenname || said(scene.event, "user"),
  username: ({ scene }) => said(scene.event, "user"),
  userrealm: ({ scene }) => said(scene.event, "realm"),
  givenname: ({ scene }) => scene.owner?.givenname ?? "",
  surname: ({ scene }) => scene.owner?.surname ?? "",
  recipient_givenname: ({ recipient }) => recipient.givenname,
  recipient_surname: ({ recipient }) => recipient.surname,
  tokentype: ({ scene }) => said(scene.event, "tokentype"),
  time: ({ scene }) => scene.event.at.toISOString().slice(TIME.from, TIME.to),
  date: ({ scene }) => scene.event.at.toISOString().slice(0, "YYYY-MM-DD".length),
  client_ip: ({ scene }) => scene.event.client ?? "",

  event: ({ scene }) => scene.event.name,
  plugin: ({ scene }) => scene.event.plugin,
  success: ({ scene }) => String(scene.event.success),
  status: ({ scene }) => String(scene.event.status ?? ""),
  authentication: ({ scene }) => said(scene.event, "authentication"),
  identifier: ({ scene }) => identifierOf(scene.event),
  recipients: ({ scene }) => said(scene.event, "recipients"),
  state: ({ scene }) => said(scene.event, "state"),
  phase: ({ scene }) => said(scene.event, "phase"),
  reason: ({ scene }) => said(scene.event, "code"),
  days_left: ({ scene }) => said(scene.event, "daysLeft"),
  expires: ({ scene }) => said(scene.event, "expires"),
};

export const TAGS: readonly string[] = Object.keys(TABLE);

/** The value of every tag. */
export function tagValues(telling: Telling): Record<string, string> {
  return Object.fromEntries(Object.entries(TABLE).map(([tag, read]) => [tag, read(telling)]));
}
