import { serverNames, setting, templateText, userName, wholeNumber } from "sealpost/plugin";
import * as v from "valibot";
import { requiredEmail } from "./required-email.ts";

const DAY_SECONDS = 86_400;
/** Less than a slow mail takes is of no use. */
const LEAST_VALID_SECONDS = 300;
export const MOST_VALID_SECONDS = 7 * DAY_SECONDS;

const COMMON_TAGS = ["username", "realm", "givenname", "surname", "email", "url"] as const;
/** `regkey` is what the reference calls the code. */
const codeTemplate = templateText([...COMMON_TAGS, "code", "regkey", "transaction_id", "valid_until"]);
const existingTemplate = templateText(COMMON_TAGS);

const flag = v.boolean("expected true or false");
const seconds = wholeNumber(LEAST_VALID_SECONDS, MOST_VALID_SECONDS);
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
  validSeconds: v.optional(seconds, DAY_SECONDS),
  subject: v.optional(codeTemplate, ""),
  text: v.optional(codeTemplate, ""),
  html: v.optional(codeTemplate, ""),
  existingSubject: v.optional(existingTemplate, ""),
  existingText: v.optional(existingTemplate, ""),
  existingHtml: v.optional(existingTemplate, ""),
});
export type Options = v.InferOutput<typeof options>;

const describe = (description: string) => ({ description });

/** What an admin may change at run time. */
export function settings(given: Options) {
  return {
    "register.enabled": setting(flag, given.enabled, describe("Whether people may register")),
    "register.identifier": setting(serverNames, given.server, {
      description: "SMTP servers that the mails go through",
      namesServer: true,
    }),
    "register.realm": setting(
      realmOrEmpty,
      given.realm,
      describe("Realm of new users; empty: the directory's"),
    ),
    "register.requiredemail": setting(
      requiredEmail,
      given.requiredEmail,
      describe("Addresses that may register: example.org, *.example.org, ann-*@example.org; empty: all"),
    ),
    "register.hide_existing": setting(
      flag,
      given.hideExisting,
      describe("Whether a name that is taken gets the same answer as one that is free"),
    ),
    "register.validtime": setting(seconds, given.validSeconds, describe("How long a code holds, in seconds")),
    "register.subject": setting(codeTemplate, given.subject, describe("Subject of the mail with the code")),
    "register.text": setting(codeTemplate, given.text, describe("Text of the mail with the code")),
    "register.html": setting(codeTemplate, given.html, describe("HTML of the mail with the code")),
    "register.existing_subject": setting(
      existingTemplate,
      given.existingSubject,
      describe("Subject of the mail to the owner of a name that is taken"),
    ),
    "register.existing_text": setting(existingTemplate, given.existingText, describe("Its text")),
    "register.existing_html": setting(existingTemplate, given.existingHtml, describe("Its HTML")),
  };
}
export type RegistrationSettings = ReturnType<typeof settings>;
