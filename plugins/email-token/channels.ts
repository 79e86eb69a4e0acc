import type { Context } from "hono";
import type { Message } from "sealpost";
import type {} from "sealpost/plugin";
import {
  addressKey,
  type DirectoryUser,
  type Env,
  parseAddress,
  render,
  renderMessage,
  type Sms,
  type Statement,
  type SubmitOutcome,
} from "sealpost/plugin";
import { isOrigin, type TokenContext, type TokenSettings } from "./config.ts";
import type { OwnedToken, TokenType } from "./store.ts";
import { type Language, redactedAddress, redactedPhone, TEXTS, tagValues, withCurrentTags } from "./texts.ts";

/** A code to deliver. */
export interface CodeDelivery {
  readonly c: Context<Env>;
  readonly target: OwnedToken;
  readonly address: string;
  readonly code: string;
  readonly expiresAt: Date;
  readonly language: Language;
}

/** The reason why a code was not sent, or `null` if it was sent or may have been. */
export type SendFailure = { readonly code: string; readonly delivery: unknown } | null;

/** Delivers the codes of one type of token. */
interface Channel {
  /** Name of the type that clients of privacyIDEA show. */
  readonly title: string;
  /** The right to enroll such a token. */
  readonly right: "enrollEMAIL" | "enrollSMS";
  readonly serialPrefix: string;
  /** Returns the user's address on this channel, or an empty text if the directory has no valid one. */
  readonly addressOf: (user: DirectoryUser) => string;
  /** The same for all spellings of an address. */
  readonly limitKey: (address: string) => string;
  readonly validSeconds: (settings: TokenSettings) => number;
  /** The setting whether a token has to be verified with a code. */
  readonly verifySetting: "email.verify_enrollment" | "sms.verify_enrollment";
  /** The setting, and the parameter of a token, that names the server definition or gateway. */
  readonly identifierSetting: "email.identifier" | "sms.identifier";
  /** The parameters of a token that say where its codes go: a fixed address, or that of the directory. */
  readonly addressParameters: readonly ["email", "dynamic_email"] | readonly ["phone", "dynamic_phone"];
  /** Template of the prompt, or empty for the built-in one. */
  readonly prompt: (settings: TokenSettings) => string;
  readonly redacted: (address: string) => Readonly<Record<string, string>>;
}

/** E.164 allows 15 digits; fewer than three are not a number. */
const PHONE = /^\+?[\d ()/.-]{3,40}$/;
/** A longer origin would be folded or encoded in the header, where mail programs do not look for it. */
const MAX_ORIGIN_CHARACTERS = 50;

export const CHANNELS: Readonly<Record<TokenType, Channel>> = {
  email: {
    title: "Email: codes sent by email",
    right: "enrollEMAIL",
    serialPrefix: "PIEM",
    addressOf: ({ email }) => parseAddress(email) ?? "",
    limitKey: addressKey,
    validSeconds: (settings) => settings["email.validtime"],
    verifySetting: "email.verify_enrollment",
    identifierSetting: "email.identifier",
    addressParameters: ["email", "dynamic_email"],
    prompt: (settings) => settings["email.challenge_text"],
    redacted: (address) => ({ email_redacted: redactedAddress(address) }),
  },
  sms: {
    title: "SMS: codes sent by SMS",
    right: "enrollSMS",
    serialPrefix: "PISM",
    addressOf: ({ phone }) => (PHONE.test(phone) ? phone : ""),
    limitKey: phoneKey,
    validSeconds: (settings) => settings["sms.providerTimeout"],
    verifySetting: "sms.verify_enrollment",
    identifierSetting: "sms.identifier",
    addressParameters: ["phone", "dynamic_phone"],
    prompt: (settings) => settings["sms.challenge_text"],
    redacted: (phone) => ({ phone_redacted: redactedPhone(phone) }),
  },
};

/**
 * Sends a code over the channel of its token.
 * @param also returns statements to commit with the record of the message.
 */
export type SendCode = (
  delivery: CodeDelivery,
  settings: TokenSettings,
  also: (failure: SendFailure) => readonly Statement[],
) => Promise<SendFailure>;

/** Creates the sender of codes. @param sms `null` if no plugin provides it. */
export function createSendCode({
  sms,
  ...deps
}: Pick<TokenContext, "mail" | "store" | "time" | "baseUrl"> & { readonly sms: Sms | null }): SendCode {
  const { mail, store } = deps;
  const valuesOf = (delivery: CodeDelivery, settings: TokenSettings) => ({
    ...commonValues(deps, delivery, settings),
    otp: delivery.code,
  });

  const senders: Readonly<Record<TokenType, SendCode>> = {
    async email(delivery, settings, also) {
      const message = mailMessage(delivery, settings, valuesOf(delivery, settings), deps.baseUrl);
      const outcome = await mail.submit(delivery.target.token.identifier, message, {
        ...optionsOf(delivery),
        also: (result) => also(failureOf(failureCode(result))),
      });
      const code = failureCode(outcome);
      return code === null ? null : failureOf(code, await mail.diagnose(outcome));
    },
    async sms(delivery, settings, also) {
      const failure = await sendSms(delivery, settings);
      await store.append(...also(failure));
      return failure;
    },
  };

  async function sendSms(delivery: CodeDelivery, settings: TokenSettings): Promise<SendFailure> {
    if (!sms) return failureOf("sms_unavailable");
    const template = settings["sms.text"] || TEXTS[delivery.language].sms;
    const message = { phone: delivery.address, text: render(template, valuesOf(delivery, settings)) };
    const gateway = delivery.target.token.identifier || settings["sms.identifier"];
    const outcome = await sms.send(gateway, message, optionsOf(delivery));
    if (outcome.state !== "failed" || outcome.outcome === "unknown") return null;
    return failureOf(outcome.code, outcome.detail);
  }

  return (delivery, settings, also) => senders[delivery.target.token.type](delivery, settings, also);
}

/** Returns the digits of a number after `+`, or after `00` in its place. */
function phoneKey(phone: string): string {
  const digits = phone.replace(/\D/g, "");
  return phone.startsWith("+") ? digits : digits.replace(/^00/, "");
}

/** Returns the code of a failure, or `null` if the message was sent or may have been. */
function failureCode(outcome: SubmitOutcome): string | null {
  return outcome.state !== "failed" || outcome.failure.outcome === "unknown" ? null : outcome.failure.code;
}

function failureOf(code: string | null, delivery: unknown = null): SendFailure {
  return code === null ? null : { code, delivery };
}

function optionsOf({ c, expiresAt }: CodeDelivery) {
  return { purpose: "code", expiresAt, request: c } as const;
}

/** Returns the prompt that a client shows once the code is on its way. */
export function promptFor(
  deps: Pick<TokenContext, "time" | "baseUrl">,
  delivery: Omit<CodeDelivery, "code" | "expiresAt">,
  settings: TokenSettings,
): string {
  const { type } = delivery.target.token;
  const { prompt, redacted } = CHANNELS[type];
  const values = { ...commonValues(deps, delivery, settings), ...redacted(delivery.address) };
  return render(prompt(settings) || TEXTS[delivery.language].prompt[type], values, { line: true });
}

function commonValues(
  { time, baseUrl }: Pick<TokenContext, "time" | "baseUrl">,
  { c, target, language }: Pick<CodeDelivery, "c" | "target" | "language">,
  settings: TokenSettings,
) {
  const validtime = TEXTS[language].duration(CHANNELS[target.token.type].validSeconds(settings));
  return tagValues(c, target, { now: time.now(), url: baseUrl, validtime });
}

function mailMessage(
  { address, code, language }: CodeDelivery,
  settings: TokenSettings,
  values: Readonly<Record<string, string>>,
  baseUrl: string,
): Message {
  const custom = {
    subject: withCurrentTags(settings["email.subject"]),
    text: withCurrentTags(settings["email.text"]),
    html: withCurrentTags(settings["email.html"]),
  };
  return {
    to: [{ name: "", address }],
    ...renderMessage(custom, TEXTS[language], values, language),
    headers: otpTokenHeader(code, settings["email.origin"] || baseUrl),
  };
}

/** Lets mail programs fill in the code at this origin, and nowhere else (draft-goto-otp-token). */
function otpTokenHeader(code: string, url: string): Readonly<Record<string, string>> {
  if (!isOrigin(url)) return {};
  const { origin } = new URL(url);
  return origin.length > MAX_ORIGIN_CHARACTERS ? {} : { "OTP-Token": `"${code}"; origin="${origin}"` };
}
