import {
  type CheckCodeLinks,
  codeLinks,
  type PluginContext,
  type SettingValues,
  serverName,
  serverNames,
  setting,
  templateText,
  webOrigins,
  wholeNumber,
} from "sealpost/plugin";
import * as v from "valibot";
import { MAIL_TAGS, PROMPT_TAGS, SMS_TAGS, withCurrentTags } from "./texts.ts";

const MIN_VALID_SECONDS = 30;
export const MAX_VALID_SECONDS = 3_600;
/** As long as a user keeps the login page open. */
const DEFAULT_VALID_SECONDS = 120;

const flag = v.boolean("expected true or false");
const validSeconds = wholeNumber(MIN_VALID_SECONDS, MAX_VALID_SECONDS);
const mailText = templateText(MAIL_TAGS);
const smsText = templateText(SMS_TAGS);
const emailPrompt = templateText([...PROMPT_TAGS, "email_redacted"]);
const smsPrompt = templateText([...PROMPT_TAGS, "phone_redacted"]);
const origin = v.pipe(
  v.string("expected a URL"),
  v.check((text) => text === "" || isOrigin(text), "expected an https URL such as https://login.example.org"),
);
/** Options of the host app. An empty template means the built-in text, in the language of the client. */
export const options = v.object({
  server: v.optional(serverNames, []),
  validSeconds: v.optional(validSeconds, DEFAULT_VALID_SECONDS),
  subject: v.optional(mailText, ""),
  text: v.optional(mailText, ""),
  html: v.optional(mailText, ""),
  linkOrigins: v.optional(webOrigins, []),
  challengeText: v.optional(emailPrompt, ""),
  origin: v.optional(origin, ""),
  verifyEnrollment: v.optional(flag, false),
  smsVerifyEnrollment: v.optional(flag, false),
  smsGateway: v.optional(serverName, ""),
  smsValidSeconds: v.optional(validSeconds, DEFAULT_VALID_SECONDS),
  smsText: v.optional(smsText, ""),
  smsChallengeText: v.optional(smsPrompt, ""),
});

/** Settings that an admin can change at run time. */
export function settings(given: v.InferOutput<typeof options>) {
  const links = { codes: ["otp"], origins: given.linkOrigins };
  const problemOf = codeLinks(links);
  return {
    "email.identifier": setting(serverNames, given.server, {
      description: "SMTP servers that codes are sent through",
      namesServer: true,
    }),
    "email.validtime": setting(validSeconds, given.validSeconds, {
      description: "Seconds that a code sent by email is valid",
    }),
    "email.subject": setting(mailText, given.subject, {
      description: "Subject of the message",
      problemOf: currentTags(problemOf),
    }),
    "email.text": setting(mailText, given.text, {
      description: "Text of the message",
      problemOf: currentTags(problemOf),
    }),
    "email.html": setting(mailText, given.html, {
      description: "HTML of the message",
      problemOf: currentTags(codeLinks({ ...links, html: true })),
    }),
    "email.challenge_text": setting(emailPrompt, given.challengeText, {
      description: "Prompt shown after a code was sent by email",
    }),
    "email.origin": setting(origin, given.origin, {
      description:
        "Origin of the page where codes are entered, for the OTP-Token header; if empty, the base URL",
    }),
    "email.verify_enrollment": setting(flag, given.verifyEnrollment, {
      description: "Whether an email token counts only after a code that was sent to it came back",
    }),
    "sms.verify_enrollment": setting(flag, given.smsVerifyEnrollment, {
      description: "Whether an SMS token counts only after a code that was sent to it came back",
    }),
    "sms.identifier": setting(serverName, given.smsGateway, {
      description: "SMS gateway that codes are sent through",
      namesGateway: true,
    }),
    "sms.providerTimeout": setting(validSeconds, given.smsValidSeconds, {
      description: "Seconds that a code sent by SMS is valid",
    }),
    "sms.text": setting(smsText, given.smsText, { description: "Text of the SMS", problemOf }),
    "sms.challenge_text": setting(smsPrompt, given.smsChallengeText, {
      description: "Prompt shown after a code was sent by SMS",
    }),
  };
}

/** Messages also have the tags of old templates. */
function currentTags(check: CheckCodeLinks): CheckCodeLinks {
  return (template, baseUrl) => check(withCurrentTags(template), baseUrl);
}

/** The context of this plugin, with the types of its settings. */
export type TokenContext = PluginContext<ReturnType<typeof settings>>;
export type TokenSettings = SettingValues<ReturnType<typeof settings>>;

/** Whether a code can be bound to this URL: an origin that no one on the network can impersonate. */
export function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url?.username !== "" || url.password !== "") return false;
  const isLocal = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && isLocal);
}
