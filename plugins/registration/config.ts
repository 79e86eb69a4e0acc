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
import { scriptNames } from "./names.ts";
import { requiredEmail } from "./required-email.ts";

const DAY_SECONDS = 86_400;
/** Longer than a slow message takes. */
const MIN_VALID_SECONDS = 300;
export const MAX_VALID_SECONDS = 7 * DAY_SECONDS;

const COMMON_TAGS = ["username", "realm", "givenname", "surname", "email", "url"] as const;
/** `regkey` is privacyIDEA's name of the code. */
const codeTemplate = templateText([...COMMON_TAGS, "code", "regkey", "transaction_id", "valid_until"]);
const existingTemplate = templateText(COMMON_TAGS);

const flag = v.boolean("expected true or false");
const seconds = wholeNumber(MIN_VALID_SECONDS, MAX_VALID_SECONDS);
const realmOrEmpty = v.pipe(
  v.string("expected a text"),
  v.check((text) => text === "" || v.is(userName, text), "expected the name of a realm"),
);

export const options = v.object({
  enabled: v.optional(flag, false),
  server: v.optional(serverNames, []),
  realm: v.optional(realmOrEmpty, ""),
  requiredEmail: v.optional(requiredEmail, ""),
  hideExisting: v.optional(flag, true),
  scripts: v.optional(scriptNames, ["Latin"]),
  validSeconds: v.optional(seconds, DAY_SECONDS),
  subject: v.optional(codeTemplate, ""),
  text: v.optional(codeTemplate, ""),
  html: v.optional(codeTemplate, ""),
  linkOrigins: v.optional(webOrigins, []),
  existingSubject: v.optional(existingTemplate, ""),
  existingText: v.optional(existingTemplate, ""),
  existingHtml: v.optional(existingTemplate, ""),
});
type Options = v.InferOutput<typeof options>;

const describe = (description: string) => ({ description });

/** Settings that an admin can change at run time. */
export function settings(given: Options) {
  const links = { codes: ["code", "regkey"], origins: given.linkOrigins };
  const problemOf = codeLinks(links);
  return {
    "register.enabled": setting(flag, given.enabled, describe("Whether people may register")),
    "register.identifier": setting(serverNames, given.server, {
      description: "SMTP servers that messages are sent through",
      namesServer: true,
    }),
    "register.realm": setting(
      realmOrEmpty,
      given.realm,
      describe("Realm of new users; if empty, that of the directory"),
    ),
    "register.requiredemail": setting(
      requiredEmail,
      given.requiredEmail,
      describe("Addresses that may register: example.org, *.example.org, ann-*@example.org; if empty, all"),
    ),
    "register.hide_existing": setting(
      flag,
      given.hideExisting,
      describe("Whether the response is the same for a taken name as for a free one"),
    ),
    "register.scripts": setting(
      scriptNames,
      given.scripts,
      describe(
        "Scripts of user names: Latin, Greek, …; a name in another script or in several counts as taken",
      ),
    ),
    "register.validtime": setting(seconds, given.validSeconds, describe("Seconds that a code is valid")),
    "register.subject": setting(codeTemplate, given.subject, {
      description: "Subject of the message with the code",
      problemOf,
    }),
    "register.text": setting(codeTemplate, given.text, {
      description: "Text of the message with the code",
      problemOf,
    }),
    "register.html": setting(codeTemplate, given.html, {
      description: "HTML of the message with the code",
      problemOf: codeLinks({ ...links, html: true }),
    }),
    "register.existing_subject": setting(
      existingTemplate,
      given.existingSubject,
      describe("Subject of the message to the owner of a taken name"),
    ),
    "register.existing_text": setting(existingTemplate, given.existingText, describe("Its text")),
    "register.existing_html": setting(existingTemplate, given.existingHtml, describe("Its HTML")),
  };
}

/** The context of this plugin, with the types of its settings. */
export type RegistrationContext = PluginContext<ReturnType<typeof settings>>;
export type RegistrationSettings = SettingValues<ReturnType<typeof settings>>;
