import type { Message } from "sealpost";
import { renderMessage, type UserName } from "sealpost/plugin";
import type { DirectorySettings } from "./config.ts";
import type { UserRow } from "./store.ts";
import { type Language, type Notice, TEXTS } from "./texts.ts";

/** The user whose address changes. */
interface MessageContent {
  readonly settings: DirectorySettings;
  readonly language: Language;
  readonly user: UserName & Pick<UserRow, "givenname" | "surname">;
  readonly url: string;
}

/** Builds the message with the code, to the new address. */
export function codeMessage(
  content: MessageContent,
  { email, code, expiresAt }: { readonly email: string; readonly code: string; readonly expiresAt: Date },
): Message {
  const { settings, language } = content;
  const custom = {
    subject: settings["directory.subject"],
    text: settings["directory.text"],
    html: settings["directory.html"],
  };
  const values = { ...valuesOf(content), email, code, valid_until: toMinute(expiresAt) };
  return {
    to: [{ name: "", address: email }],
    ...renderMessage(custom, TEXTS[language].code, values, language),
  };
}

/** Builds the notice to the old address. */
export function noticeMessage(content: MessageContent, notice: Notice, address: string): Message {
  const { settings, language } = content;
  const custom = {
    subject: settings["directory.notice_subject"],
    text: settings["directory.notice_text"],
    html: settings["directory.notice_html"],
  };
  return {
    to: [{ name: "", address }],
    ...renderMessage(custom, TEXTS[language].notice[notice], valuesOf(content), language),
  };
}

function valuesOf({ user: { username, realm, givenname, surname }, url }: MessageContent) {
  return { username, realm, givenname, surname, url };
}

/** `2026-06-02 12:00 UTC` */
function toMinute(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
