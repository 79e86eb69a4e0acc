import type { Message } from "sealpost";
import { type DirectoryUser, parseMailbox, render, renderMessage, type UserName } from "sealpost/plugin";
import type { RecoverySettings } from "./config.ts";
import { type Language, MESSAGES } from "./texts.ts";

/** Path of the page that links lead to. */
export const PAGE_PATH = "/recover/reset";
const SECONDS_PER_MINUTE = 60;

/** The content of a message with a code, decoy or not. */
interface RecoveryContent {
  readonly settings: RecoverySettings;
  readonly user: UserName & Partial<DirectoryUser>;
  readonly address: string;
  readonly code: string;
  readonly validSeconds: number;
  readonly baseUrl: string;
}

/** Builds the message with the link. The code is in the fragment, which browsers do not send. */
export function recoveryMessage(content: RecoveryContent, language: Language): Message {
  const { settings, user, address, code, validSeconds, baseUrl } = content;
  const { username, realm, givenname = "", surname = "" } = user;
  const link = `${baseUrl}${PAGE_PATH}#${new URLSearchParams({ user: username, realm, code })}`;
  const minutes = String(Math.ceil(validSeconds / SECONDS_PER_MINUTE));
  const values = { username, realm, givenname, surname, link, code, minutes };
  const custom = { subject: settings["recovery.subject"], text: settings["recovery.text"] };
  return {
    to: [{ name: "", address }],
    ...renderMessage(custom, MESSAGES[language], values, language),
  };
}

/** Builds the message about the changed password; `null` if the directory has no address of the user. */
export function changedMessage({ username, email }: DirectoryUser, language: Language): Message | null {
  const to = parseMailbox(email);
  if (to === null) return null;
  const { changedSubject, changedText } = MESSAGES[language];
  return { to: [to], subject: changedSubject, text: render(changedText, { username }), language };
}
