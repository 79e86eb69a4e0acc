import { SealpostError } from "sealpost";
import {
  codeLinks,
  type PluginContext,
  type SettingValues,
  serverNames,
  setting,
  templateText,
  webOrigins,
  wholeNumber,
} from "sealpost/plugin";
import * as v from "valibot";
import { TAGS } from "./texts.ts";

const MIN_VALID_SECONDS = 60;
export const MAX_VALID_SECONDS = 86_400;
/** The minimum of NIST SP 800-63B; a host without a second factor may require more. */
const MIN_PASSWORD_CHARACTERS = 8;
const MAX_PASSWORD_CHARACTERS = 64;
const MAX_RESPONSE_MS = 5_000;

const template = templateText(TAGS);
const validSeconds = wholeNumber(MIN_VALID_SECONDS, MAX_VALID_SECONDS);

export const options = v.object({
  /** Whether users can recover passwords. */
  enabled: v.optional(v.boolean("expected true or false"), false),
  server: v.optional(serverNames, []),
  /** Templates. If empty, the built-in texts in the language of the client are used. */
  subject: v.optional(template, ""),
  text: v.optional(template, ""),
  /** Where a URL with a code may lead, besides `SEALPOST_BASE_URL`. */
  linkOrigins: v.optional(webOrigins, []),
  validSeconds: v.optional(validSeconds, 3_600),
  /** Minimum length of a new password. */
  leastPasswordCharacters: v.optional(
    wholeNumber(MIN_PASSWORD_CHARACTERS, MAX_PASSWORD_CHARACTERS),
    MIN_PASSWORD_CHARACTERS,
  ),
  /** Minimum duration of a response in milliseconds, so that timing does not reveal whether a user exists. */
  leastAnswerMs: v.optional(wholeNumber(0, MAX_RESPONSE_MS), 200),
});
export type Options = v.InferOutput<typeof options>;

/** Settings that an admin can change at run time. */
export function settings({ enabled, server, subject, text, linkOrigins, validSeconds: seconds }: Options) {
  const problemOf = codeLinks({ codes: ["code"], links: ["link"], origins: linkOrigins });
  return {
    "recovery.enabled": setting(v.boolean("expected true or false"), enabled, {
      description: "Whether users can set a new password by email",
      needsBaseUrl: true,
    }),
    "recovery.identifier": setting(serverNames, server, {
      description: "SMTP servers that messages are sent through",
      namesServer: true,
    }),
    "recovery.subject": setting(template, subject, {
      description: "Subject of the message with the link",
      problemOf,
    }),
    "recovery.text": setting(template, text, { description: "Text of the message with the link", problemOf }),
    "recovery.validtime": setting(validSeconds, seconds, { description: "Seconds that a code is valid" }),
  };
}

/** The context of this plugin, with the types of its settings. */
export type RecoveryContext = PluginContext<ReturnType<typeof settings>>;
export type RecoverySettings = SettingValues<ReturnType<typeof settings>>;

/** The same error for every user. */
export function disabledError(): SealpostError {
  return new SealpostError("action_denied", "Password recovery is disabled");
}
