import type { Context } from "hono";
import { addressKey, type DirectoryUser, type Env, parseAddress, render, type Sms } from "sealpost";
import { mailMessage } from "./mail.ts";
import type { Settings, TokenContext } from "./options.ts";
import type { Owned } from "./owners.ts";
import type { TokenType } from "./tables.ts";
import { redactedAddress, redactedPhone, tagValues } from "./tags.ts";
import { type Language, TEXTS } from "./texts.ts";

/** A code on its way. */
export interface Order {
  readonly c: Context<Env>;
  readonly target: Owned;
  readonly address: string;
  readonly code: string;
  readonly expiresAt: Date;
  readonly language: Language;
}

/** Null: it left, or may have. */
export type SendFailure = { readonly code: string; readonly delivery: unknown } | null;

/** How codes of one type reach people. */
export interface Way {
  readonly right: "enrollEMAIL" | "enrollSMS";
  readonly serialPrefix: string;
  /** Empty: the directory knows none of use. */
  readonly addressOf: (user: DirectoryUser) => string;
  /** What two forms of one address have in common. */
  readonly limitKey: (address: string) => string;
  readonly validSeconds: (settings: Settings) => number;
  /** Template of what is asked for then; empty: the built-in one. */
  readonly prompt: (settings: Settings) => string;
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

/** Makes what sends a code. @param sms null: nobody provides it. */
export function createSendCode(ctx: TokenContext, sms: Sms | null) {
  const senders: Readonly<Record<TokenType, (order: Order, settings: Settings) => Promise<SendFailure>>> = {
    async email(order, settings) {
      const values = { ...commonValues(ctx, order, settings), otp: order.code };
      const message = mailMessage(order, settings, values, ctx.baseUrl);
      const outcome = await ctx.mail.submit(undefined, message, optionsOf(order));
      if (outcome.state !== "failed" || outcome.failure.outcome === "unknown") return null;
      return { code: outcome.failure.code, delivery: await ctx.mail.diagnose(outcome) };
    },
    async sms(order, settings) {
      if (!sms) return { code: "sms_unavailable", delivery: null };
      const values = { ...commonValues(ctx, order, settings), otp: order.code };
      const text = render(settings["sms.text"] || TEXTS[order.language].sms, values);
      const message = { phone: order.address, text };
      const outcome = await sms.send(settings["sms.identifier"], message, optionsOf(order));
      if (outcome.state !== "failed" || outcome.outcome === "unknown") return null;
      return { code: outcome.code, delivery: outcome.detail };
    },
  };
  return (order: Order, settings: Settings) => senders[order.target.token.type](order, settings);
}

function optionsOf({ c, expiresAt }: Order) {
  return { purpose: "code", expiresAt, request: c } as const;
}

/** What is asked for when the code is on its way. */
export function promptFor(
  ctx: TokenContext,
  order: Omit<Order, "code" | "expiresAt">,
  settings: Settings,
): string {
  const { type } = order.target.token;
  const values = { ...commonValues(ctx, order, settings), ...WAYS[type].redacted(order.address) };
  return render(WAYS[type].prompt(settings) || TEXTS[order.language].prompt[type], values, { line: true });
}

function commonValues(
  ctx: TokenContext,
  { c, target, language }: Pick<Order, "c" | "target" | "language">,
  settings: Settings,
) {
  const validtime = TEXTS[language].duration(WAYS[target.token.type].validSeconds(settings));
  return tagValues(c, target, { now: ctx.now(), url: ctx.baseUrl, validtime });
}
