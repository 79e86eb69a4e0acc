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
