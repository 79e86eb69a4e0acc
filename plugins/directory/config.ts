import {
  codeLinks,
  type PluginContext,
  type SettingValues,
  serverNames,
  setting,
  templateText,
  userName,
  webOrigins,
  wholeNumber,
} from "sealpost/plugin";
import * as v from "valibot";

/** Longer than a slow message takes. */
const MIN_VALID_SECONDS = 300;
export const MAX_VALID_SECONDS = 86_400;

const NOTICE_TAGS = ["username", "realm", "givenname", "surname", "url"] as const;
const codeTemplate = templateText([...NOTICE_TAGS, "email", "code", "valid_until"]);
const noticeTemplate = templateText(NOTICE_TAGS);
const seconds = wholeNumber(MIN_VALID_SECONDS, MAX_VALID_SECONDS);

export const options = v.object({
  /** Realm of users that are named without one. */
  realm: v.optional(userName, "default"),
  server: v.optional(serverNames, []),
  validSeconds: v.optional(seconds, 3_600),
  /** Templates. If empty, the built-in texts in the language of the client are used. */
  subject: v.optional(codeTemplate, ""),
  text: v.optional(codeTemplate, ""),
  html: v.optional(codeTemplate, ""),
  /** Where a URL with a code may lead, besides `SEALPOST_BASE_URL`. */
  linkOrigins: v.optional(webOrigins, []),
  noticeSubject: v.optional(noticeTemplate, ""),
  noticeText: v.optional(noticeTemplate, ""),
  noticeHtml: v.optional(noticeTemplate, ""),
});

/** Settings that an admin can change at run time. */
export function settings(given: v.InferOutput<typeof options>) {
  const links = { codes: ["code"], origins: given.linkOrigins };
  const problemOf = codeLinks(links);
  return {
    "directory.identifier": setting(serverNames, given.server, {
      description: "SMTP servers that messages about a new address are sent through",
      namesServer: true,
    }),
    "directory.validtime": setting(seconds, given.validSeconds, {
      description: "Seconds that the code for a new address is valid",
    }),
    "directory.subject": setting(codeTemplate, given.subject, {
      description: "Subject of the message to a new address, with the code",
      problemOf,
    }),
    "directory.text": setting(codeTemplate, given.text, { description: "Its text", problemOf }),
    "directory.html": setting(codeTemplate, given.html, {
      description: "Its HTML",
      problemOf: codeLinks({ ...links, html: true }),
    }),
    "directory.notice_subject": setting(noticeTemplate, given.noticeSubject, {
      description: "Subject of the notice to the old address",
    }),
    "directory.notice_text": setting(noticeTemplate, given.noticeText, { description: "Its text" }),
    "directory.notice_html": setting(noticeTemplate, given.noticeHtml, { description: "Its HTML" }),
  };
}

/** The context of this plugin, with the types of its settings. */
export type DirectoryContext = PluginContext<ReturnType<typeof settings>>;
export type DirectorySettings = SettingValues<ReturnType<typeof settings>>;
