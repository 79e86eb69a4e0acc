import type { Message } from "sealpost";
import { escapeHtml, render, type SettingValues } from "sealpost/plugin";
import type { RegistrationSettings } from "./config.ts";
import type { PendingRow } from "./store.ts";
import { type Language, type MailText, TEXTS } from "./texts.ts";

export interface MailParts {
  readonly settings: SettingValues<RegistrationSettings>;
  readonly language: Language;
  readonly row: Omit<PendingRow, "tries" | "confirmedBy">;
  readonly url: string;
}

/** The mail with the code, to the address that was given. */
export function codeMail({ settings, language, row, url }: MailParts, code: string): Message {
  const own = {
    subject: settings["register.subject"],
    text: settings["register.text"],
    html: settings["register.html"],
  };
  const values = {
    ...commonValues(row, url),
    ...{ code, regkey: code, transaction_id: row.id, valid_until: minuteOf(row.expiresAt) },
  };
  return mail(row.email, own, language, "code", values);
}

/** The mail to the owner of the name that was asked for. */
export function existingMail({ settings, language, row, url }: MailParts, owner: string): Message {
  const own = {
    subject: settings["register.existing_subject"],
    text: settings["register.existing_text"],
    html: settings["register.existing_html"],
  };
  // What the other has said of himself is not for the owner to know.
  const values = { ...commonValues(row, url), email: owner, givenname: "", surname: "" };
  return mail(owner, own, language, "existing", values);
}

function commonValues({ username, realm, givenname, surname, email }: MailParts["row"], url: string) {
  return { username, realm, givenname, surname, email, url };
}

/** An own text without own HTML is all that is sent: the built-in HTML would say something else. */
function mail(
  address: string,
  own: MailText & { readonly html: string },
  language: Language,
  kind: "code" | "existing",
  values: Readonly<Record<string, string>>,
): Message {
  const builtIn = TEXTS[language][kind];
  const html = own.html || (own.text === "" ? htmlOf(builtIn.text) : "");
  return {
    to: [{ name: "", address }],
    subject: render(own.subject || builtIn.subject, values, { line: true }),
    text: render(own.text || builtIn.text, values),
    ...(html === "" ? {} : { html: render(html, values, { html: true }) }),
    language,
  };
}

/** The same template as HTML: a paragraph where the text has one, and the code so that it is seen. */
function htmlOf(text: string): string {
  const paragraphs = escapeHtml(text).replace("{code}", "<strong>{code}</strong>").split("\n\n");
  return paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join("\n");
}

/** `2026-06-02 12:00 UTC` */
function minuteOf(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
