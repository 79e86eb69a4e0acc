import { SealpostError } from "sealpost";
import { type PluginContext, serverNames, setting, templateText, wholeNumber } from "sealpost/plugin";
import * as v from "valibot";
import { TAGS } from "./texts.ts";

const LEAST_VALID_SECONDS = 60;
export const MOST_VALID_SECONDS = 86_400;
/** NIST SP 800-63B asks for eight at least; a host that has no second factor may ask for more. */
const LEAST_PASSWORD_CHARACTERS = 8;
const MOST_PASSWORD_CHARACTERS = 64;
const MOST_ANSWER_MS = 5_000;

const template = templateText(TAGS);
const validSeconds = wholeNumber(LEAST_VALID_SECONDS, MOST_VALID_SECONDS);

export const options = v.object({
  /** Whether passwords can be recovered at all. */
  enabled: v.optional(v.boolean("expected true or false"), false),
  server: v.optional(serverNames, []),
  /** Templates; empty: the built-in texts in the language of the client. */
  subject: v.optional(template, ""),
  text: v.optional(template, ""),
  validSeconds: v.optional(validSeconds, 3_600),
  /** What a new password has at least. */
  leastPasswordCharacters: v.optional(
    wholeNumber(LEAST_PASSWORD_CHARACTERS, MOST_PASSWORD_CHARACTERS),
    LEAST_PASSWORD_CHARACTERS,
  ),
  /** How long an answer takes at least, in milliseconds, so that its time tells nothing of who there is. */
  leastAnswerMs: v.optional(wholeNumber(0, MOST_ANSWER_MS), 200),
});
export type Options = v.InferOutput<typeof options>;

/** What an admin may set at run time. */
export const settings = ({ enabled, server, subject, text, validSeconds: seconds }: Options) => ({
  "recovery.enabled": setting(v.boolean("expected true or false"), enabled, {
    description: "Whether users may set a new password by mail",
  }),
  "recovery.identifier": setting(serverNames, server, {
    description: "SMTP servers that the mails go through",
    namesServer: true,
  }),
  "recovery.subject": setting(template, subject, { description: "Subject of the mail with the link" }),
  "recovery.text": setting(template, text, { description: "Text of the mail with the link" }),
  "recovery.validtime": setting(validSeconds, seconds, { description: "Seconds that a code is valid" }),
});

export type Context = PluginContext<ReturnType<typeof settings>>;

/** Says so to everybody alike. */
export function switchedOff(): SealpostError {
  return new SealpostError("action_denied", "Password recovery is switched off");
}
