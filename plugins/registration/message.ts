import type { Message } from "sealpost";
import { escapeHtml, type MessageTemplates, renderMessage } from "sealpost/plugin";
import type { RegistrationSettings } from "./config.ts";
import type { NewPending } from "./store.ts";
import { type Language, TEXTS } from "./texts.ts";

/** The content of the messages of one registration. */
interface MessageContent {
  readonly settings: RegistrationSettings;
  readonly language: Language;
  readonly row: NewPending;
  readonly url: string;
}

/** Builds the message with the code, to the given address. */
export function codeMessage({ settings, language, row, url }: MessageContent, code: string): Message {
  const custom = {
    subject: settings["register.subject"],
    text: settings["register.text"],
    html: settings["register.html"],
  };
  const values = {
    ...commonValues(row, url),
    code,
    regkey: code,
    transaction_id: row.id,
    valid_until: toMinute(row.expiresAt),
  };
  const builtIn = withHtml(TEXTS[language].code);
  return { to: [{ name: "", address: row.email }], ...renderMessage(custom, builtIn, values, language) };
}

/** Builds the message to the owner of a name that was asked for. */
export function existingMessage({ settings, language, row, url }: MessageContent, owner: string): Message {
  const custom = {
    subject: settings["register.existing_subject"],
    text: settings["register.existing_text"],
    html: settings["register.existing_html"],
  };
  // The owner must not learn what the other person entered.
  const values = { ...commonValues(row, url), email: owner, givenname: "", surname: "" };
  const builtIn = withHtml(TEXTS[language].existing);
  return { to: [{ name: "", address: owner }], ...renderMessage(custom, builtIn, values, language) };
}

function commonValues({ username, realm, givenname, surname, email }: NewPending, url: string) {
  return { username, realm, givenname, surname, email, url };
}

/** Adds the same template as HTML, with a paragraph for each of the text and the code in bold. */
function withHtml({ subject, text }: MessageTemplates): MessageTemplates {
  const paragraphs = escapeHtml(text).replace("{code}", "<strong>{code}</strong>").split("\n\n");
  return { subject, text, html: paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join("\n") };
}

/** `2026-06-02 12:00 UTC` */
function toMinute(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
