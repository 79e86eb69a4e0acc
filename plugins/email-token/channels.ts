import type { Context } from "hono";
import type { Message } from "sealpost";
import {
  addressKey,
  type DirectoryUser,
  type Env,
  parseAddress,
  render,
  type Sms,
  type Statement,
  type SubmitOutcome,
} from "sealpost/plugin";
import { isOrigin, type TokenContext, type TokenSettings } from "./config.ts";
import type { OwnedToken, TokenType } from "./store.ts";
import { type Language, redactedAddress, redactedPhone, TEXTS, tagValues } from "./texts.ts";

/** A code on its way. */
export interface Order {
  readonly c: Context<Env>;
  readonly target: OwnedToken;
  readonly address: string;
  readonly code: string;
  readonly expiresAt: Date;
  readonly language: Language;
}

/** Null: it left, or may have. */
export type SendFailure = { readonly code: string; readonly delivery: unknown } | null;

/** How codes of one type reach people. */
interface Way {
  readonly right: "enrollEMAIL" | "enrollSMS";
  readonly serialPrefix: string;
  /** Empty: the directory knows none of use. */
  readonly addressOf: (user: DirectoryUser) => string;
  /** What two forms of one address have in common. */
  readonly limitKey: (address: string) => string;
  readonly validSeconds: (settings: TokenSettings) => number;
  /** Template of what is asked for then; empty: the built-in one. */
  readonly prompt: (settings: TokenSettings) => string;
  readonly redacted: (address: string) => Readonly<Record<string, string>>;
}

/** E.164 has 15 digits; fewer than 3 reach nobody. */
const PHONE = /^\+?[\d ()/.-]{3,40}$/;

export const WAYS: Readonly<Record<TokenType, Way>> = {
  email: {
    right: "enrollEMAIL",
    serialPrefix: "PIEM",
    addressOf: ({ email }) => parseAddress(email) ?? "",
    limitKey: addressKey,
    validSeconds: (settings) => settings["email.validtime"],
    prompt: (settings) => settings["email.challenge_text"],
    redacted: (address) => ({ email_redacted: redactedAddress(address) }),
  },
  sms: {
    right: "enrollSMS",
    serialPrefix: "PISM",
    addressOf: ({ phone }) => (PHONE.test(phone) ? phone : ""),
    limitKey: (phone) => phone.replace(/\D/g, ""),
    validSeconds: (settings) => settings["sms.providerTimeout"],
    prompt: (settings) => settings["sms.challenge_text"],
    redacted: (phone) => ({ phone_redacted: redactedPhone(phone) }),
  },
};

/** Statements to be committed with the record of a message that was sent, or was not. */
type AlsoOf = (failure: SendFailure) => readonly Statement[];

type SendCode = (order: Order, settings: TokenSettings, also: AlsoOf) => Promise<SendFailure>;

/** Creates the sender of codes. @param sms `null` if no plugin provides it. */
export function createSendCode(ctx: TokenContext, sms: Sms | null): SendCode {
  const codeOf = (outcome: SubmitOutcome): string | null =>
    outcome.state !== "failed" || outcome.failure.outcome === "unknown" ? null : outcome.failure.code;
  const failureOf = (code: string | null, delivery: unknown = null): SendFailure =>
    code === null ? null : { code, delivery };

  const senders: Readonly<Record<TokenType, SendCode>> = {
    async email(order, settings, also) {
      const values = { ...commonValues(ctx, order, settings), otp: order.code };
      const message = mailMessage(order, settings, values, ctx.baseUrl);
      const outcome = await ctx.mail.submit(undefined, message, {
        ...optionsOf(order),
        also: (result) => also(failureOf(codeOf(result))),
      });
      const code = codeOf(outcome);
      return code === null ? null : failureOf(code, await ctx.mail.diagnose(outcome));
    },
    async sms(order, settings, also) {
      const failure = await sendSms(order, settings);
      await ctx.store.append(...also(failure));
      return failure;
    },
  };

  async function sendSms(order: Order, settings: TokenSettings): Promise<SendFailure> {
    if (!sms) return failureOf("sms_unavailable");
    const values = { ...commonValues(ctx, order, settings), otp: order.code };
    const text = render(settings["sms.text"] || TEXTS[order.language].sms, values);
    const message = { phone: order.address, text };
    const outcome = await sms.send(settings["sms.identifier"], message, optionsOf(order));
    if (outcome.state !== "failed" || outcome.outcome === "unknown") return null;
    return failureOf(outcome.code, outcome.detail);
  }

  return (order, settings, also) => senders[order.target.token.type](order, settings, also);
}

function optionsOf({ c, expiresAt }: Order) {
  return { purpose: "code", expiresAt, request: c } as const;
}

/** What is asked for when the code is on its way. */
export function promptFor(
  ctx: TokenContext,
  order: Omit<Order, "code" | "expiresAt">,
  settings: TokenSettings,
): string {
  const { type } = order.target.token;
  const values = { ...commonValues(ctx, order, settings), ...WAYS[type].redacted(order.address) };
  return render(WAYS[type].prompt(settings) || TEXTS[order.language].prompt[type], values, { line: true });
}

function commonValues(
  ctx: TokenContext,
  { c, target, language }: Pick<Order, "c" | "target" | "language">,
  settings: TokenSettings,
) {
  const validtime = TEXTS[language].duration(WAYS[target.token.type].validSeconds(settings));
  return tagValues(c, target, { now: ctx.time.now(), url: ctx.baseUrl, validtime });
}

/** A longer word would have to be encoded in the header, which nobody reads. */
const MOST_ORIGIN_CHARACTERS = 50;

/** The mail that brings a code. */
function mailMessage(
  {
    address,
    code,
    language,
  }: { readonly address: string; readonly code: string; readonly language: Language },
  settings: TokenSettings,
  values: Readonly<Record<string, string>>,
  baseUrl: string,
): Message {
  const builtIn = TEXTS[language];
  const ownText = settings["email.text"];
  const ownHtml = settings["email.html"];
  // Who writes a text of his own and no HTML wants plain text.
  const html = ownHtml || (ownText ? "" : builtIn.html);
  return {
    to: [{ name: "", address }],
    subject: render(known(settings["email.subject"]) || builtIn.subject, values, { line: true }),
    text: render(known(ownText) || builtIn.text, values),
    ...(html === "" ? {} : { html: render(known(html), values, { html: true }) }),
    language,
    headers: otpTokenHeader(code, settings["email.origin"] || baseUrl),
  };
}

/** `<otp>` and `<serial>` are what old templates of the reference say. */
function known(template: string): string {
  return template.replaceAll(/<(otp|serial)>/g, "{$1}");
}

/** What a mail program may fill in at the origin, and nowhere else (draft-goto-otp-token). */
function otpTokenHeader(code: string, place: string): Readonly<Record<string, string>> {
  if (!isOrigin(place)) return {};
  const { origin } = new URL(place);
  return origin.length > MOST_ORIGIN_CHARACTERS ? {} : { "OTP-Token": `"${code}"; origin="${origin}"` };
}
