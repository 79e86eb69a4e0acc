import type { Message } from "sealpost";
import { type DirectoryUser, parseMailbox, render, type UserName } from "sealpost/plugin";
import { type Language, MAILS } from "./texts.ts";

/** Where the page is that links lead to. */
export const PAGE_PATH = "/recover/reset";
const SECONDS_PER_MINUTE = 60;

/** What the mail with the code is made of, whether anybody gets it or not. */
interface RecoveryMail {
  readonly user: UserName & Partial<DirectoryUser>;
  readonly address: string;
  readonly code: string;
  readonly validSeconds: number;
  /** Templates; empty: the built-in ones. */
  readonly subject: string;
  readonly text: string;
}

/** The mail with the link. The code stands in the fragment, which browsers keep to themselves. */
export function recoveryMail(mail: RecoveryMail, language: Language, baseUrl: string): Message {
  const { user, code } = mail;
  const { username, realm, givenname = "", surname = "" } = user;
  const link = `${baseUrl}${PAGE_PATH}#${new URLSearchParams({ user: username, realm, code })}`;
  const minutes = String(Math.ceil(mail.validSeconds / SECONDS_PER_MINUTE));
  const values = { username, realm, givenname, surname, link, code, minutes };
  return {
    to: [{ name: "", address: mail.address }],
    subject: render(mail.subject || MAILS[language].subject, values, { line: true }),
    text: render(mail.text || MAILS[language].text, values),
    language,
  };
}

/** The mail that tells the user of the change; null: the directory has no address. */
export function changedMail({ username, email }: DirectoryUser, language: Language): Message | null {
  const to = parseMailbox(email);
  if (to === null) return null;
  const { changedSubject, changedText } = MAILS[language];
  return { to: [to], subject: changedSubject, text: render(changedText, { username }), language };
}
