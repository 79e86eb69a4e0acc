import { type PluginContext, serverNames, setting, templateText, wholeNumber } from "sealpost/plugin";
import * as v from "valibot";
import { MAIL_TAGS, PROMPT_TAGS, SMS_TAGS } from "./texts.ts";

const validSeconds = wholeNumber(30, 3_600);
/** A code is of use while somebody has the page open. */
const VALID_SECONDS = 120;

const mailText = templateText(MAIL_TAGS);
const smsText = templateText(SMS_TAGS);
const emailPrompt = templateText([...PROMPT_TAGS, "email_redacted"]);
const smsPrompt = templateText([...PROMPT_TAGS, "phone_redacted"]);
const origin = v.pipe(
  v.string("expected a URL"),
  v.check((text) => text === "" || isOrigin(text), "expected an https URL such as https://login.example.org"),
);
const gateway = v.pipe(v.string("expected a name"), v.maxLength(255, "expected at most 255 characters"));

/** What a host app says; empty texts: the built-in ones, in the language of the client. */
export const options = v.object({
  server: v.optional(serverNames, []),
  validSeconds: v.optional(validSeconds, VALID_SECONDS),
  subject: v.optional(mailText, ""),
  text: v.optional(mailText, ""),
  html: v.optional(mailText, ""),
  challengeText: v.optional(emailPrompt, ""),
  origin: v.optional(origin, ""),
  smsGateway: v.optional(gateway, ""),
  smsValidSeconds: v.optional(validSeconds, VALID_SECONDS),
  smsText: v.optional(smsText, ""),
  smsChallengeText: v.optional(smsPrompt, ""),
});

/** What an admin may change at run time. */
export const tokenSettings = (given: v.InferOutput<typeof options>) => ({
  "email.identifier": setting(serverNames, given.server, {
    description: "SMTP servers that codes are sent through",
    namesServer: true,
  }),
  "email.validtime": setting(validSeconds, given.validSeconds, {
    description: "Seconds that a mailed code is good for",
  }),
  "email.subject": setting(mailText, given.subject, { description: "Subject of the mail" }),
  "email.text": setting(mailText, given.text, { description: "Text of the mail" }),
  "email.html": setting(mailText, given.html, { description: "HTML of the mail" }),
  "email.challenge_text": setting(emailPrompt, given.challengeText, {
    description: "What is asked for after a code was mailed",
  }),
  "email.origin": setting(origin, given.origin, {
    description: "Where mailed codes are entered, for the header OTP-Token; empty: the base URL",
  }),
  "sms.identifier": setting(gateway, given.smsGateway, {
    description: "SMS gateway that codes are sent through",
  }),
  "sms.providerTimeout": setting(validSeconds, given.smsValidSeconds, {
    description: "Seconds that a code by SMS is good for",
  }),
  "sms.text": setting(smsText, given.smsText, { description: "Text of the SMS" }),
  "sms.challenge_text": setting(smsPrompt, given.smsChallengeText, {
    description: "What is asked for after a code was sent by SMS",
  }),
});
type Keys = ReturnType<typeof tokenSettings>;
export type TokenContext = PluginContext<Keys>;
export type TokenSettings = Awaited<ReturnType<TokenContext["settings"]["all"]>>;

/** What a code may be bound to: a place that nobody on the way can pose as. */
export function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url?.username !== "" || url.password !== "") return false;
  const isLocal = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && isLocal);
}
