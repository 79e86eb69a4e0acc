import type { Context } from "hono";
import { type Env, type Limit, language } from "sealpost";
import {
  type ChallengeRepository,
  MOST_FAILURES,
  RESEND_SECONDS,
  secondsUntilNext,
  TRIES_OF_CODE,
} from "./challenges.ts";
import type { Settings, TokenContext } from "./options.ts";
import type { Owned } from "./owners.ts";
import type { TokenRow } from "./tables.ts";
import { LANGUAGES } from "./texts.ts";
import type { TokenRepository } from "./tokens.ts";
import { type createSendCode, type Order, promptFor, WAYS } from "./ways.ts";

const DIGITS = "0123456789";
/** As the reference has it; nobody guesses one. */
const TRANSACTION_DIGITS = 20;
const MAILS_PER_ADDRESS = 5;
const HOUR_SECONDS = 3_600;

/** A code is on its way. */
export interface Issued {
  readonly serial: string;
  readonly type: TokenRow["type"];
  readonly transactionId: string;
  /** ISO 8601, UTC. */
  readonly validUntil: string;
  readonly message: string;
  /** Not null: it was on its way already; seconds until there may be another. */
  readonly resendAfter: number | null;
}

/** Why none is; for admins. */
export interface Unsent {
  readonly serial: string;
  readonly type: TokenRow["type"];
  /** `locked`, `no_address`, `rate_limited`, `sms_unavailable`, or why the mail was not sent. */
  readonly code: string;
  readonly retryAfter: number | null;
  readonly delivery: unknown;
}

export interface Trigger {
  readonly issued: readonly Issued[];
  readonly unsent: readonly Unsent[];
}

/** What is wanted of one token. */
interface Attempt extends Omit<Order, "code" | "expiresAt"> {
  readonly transactionId: string;
  readonly settings: Settings;
  readonly now: Date;
}

/** Makes what sends a code to every token of a list, all in one transaction. */
export function createTrigger(parts: {
  readonly ctx: TokenContext;
  readonly tokens: TokenRepository;
  readonly challenges: ChallengeRepository;
  readonly sendCode: ReturnType<typeof createSendCode>;
}) {
  const { ctx, tokens, challenges, sendCode } = parts;

  async function one(attempt: Attempt): Promise<Issued | Unsent> {
    const { target, now, address } = attempt;
    const { token } = target;
    if (token.failCount >= MOST_FAILURES) return unsent(attempt, "locked");
    const early = secondsUntilNext(token, now);
    if (early > 0) return again(attempt, token, early);
    if (address === "") return unsent(attempt, "no_address");
    const [begun] = await ctx.store.commit([challenges.begin(token.serial, attempt.transactionId, now)]);
    if (begun.rowsAffected > 0) return begin(attempt);
    const other = await tokens.find(token.serial);
    return other?.transactionId ? again(attempt, other, RESEND_SECONDS) : unsent(attempt, "locked");
  }

  /** This transaction is the token's; until the end of it there is no other. */
  async function begin(attempt: Attempt): Promise<Issued | Unsent> {
    const { token } = attempt.target;
    const limit = limitOf(token, attempt.address);
    const withdraw = () => ctx.store.commit(challenges.withdraw(token, attempt.transactionId));
    const { allowed, retryAfterSeconds } = await ctx.limit.take(limit);
    if (!allowed) {
      await withdraw();
      const old = await challenges.find(token.serial);
      const isGood = old && old.triesLeft > 0 && old.expiresAt > attempt.now;
      if (isGood) return issued(attempt, old.transactionId, old.expiresAt, retryAfterSeconds);
      return unsent(attempt, "rate_limited", retryAfterSeconds);
    }
    const result = await send(attempt).catch(async (error) => {
      await Promise.all([withdraw(), ctx.limit.giveBack(limit)]);
      throw error;
    });
    if ("code" in result) await Promise.all([withdraw(), ctx.limit.giveBack(limit)]);
    return result;
  }

  async function send(attempt: Attempt): Promise<Issued | Unsent> {
    const { target, transactionId, settings } = attempt;
    const { serial, otpLength } = target.token;
    const code = ctx.randomText(otpLength, DIGITS);
    const codeHash = await ctx.mac(codeText(transactionId, code));
    const expiresAt = validUntil(attempt, attempt.now);
    const row = { serial, transactionId, codeHash, triesLeft: TRIES_OF_CODE, expiresAt };
    const [stored] = await ctx.store.commit([challenges.issue(row)]);
    if (stored.rowsAffected === 0) return unsent(attempt, "superseded");
    const failure = await sendCode({ ...attempt, code, expiresAt }, settings);
    if (failure !== null) return unsent(attempt, failure.code, null, failure.delivery);
    return issued(attempt, transactionId, expiresAt, null);
  }

  /** The code that was sent before, in its transaction. */
  function again(attempt: Attempt, { transactionId, sentAt }: TokenRow, resendAfter: number): Issued {
    return issued(attempt, transactionId, validUntil(attempt, sentAt), resendAfter);
  }

  function issued(attempt: Attempt, transactionId: string, until: Date, resendAfter: number | null): Issued {
    const { serial, type } = attempt.target.token;
    const message = promptFor(ctx, attempt, attempt.settings);
    return { serial, type, transactionId, validUntil: until.toISOString(), message, resendAfter };
  }

  return async (c: Context<Env>, targets: readonly Owned[]): Promise<Trigger> => {
    const settings = await ctx.config.all();
    const transactionId = ctx.randomText(TRANSACTION_DIGITS, DIGITS);
    const attempts = targets.map((target): Attempt => {
      const { token, owner } = target;
      const address = token.address || (owner ? WAYS[token.type].addressOf(owner) : "");
      return {
        c,
        target,
        transactionId,
        settings,
        address,
        language: language(c, LANGUAGES),
        now: ctx.now(),
      };
    });
    const results = await Promise.all(attempts.map(one));
    return {
      issued: results.filter((result) => "transactionId" in result),
      unsent: results.filter((result) => "code" in result),
    };
  };
}

/** What is kept of a code, as a keyed hash. */
export function codeText(transactionId: string, code: string): string {
  return `code ${transactionId} ${code}`;
}

function validUntil({ target, settings }: Attempt, since: Date): Date {
  return new Date(since.getTime() + WAYS[target.token.type].validSeconds(settings) * 1_000);
}

function unsent(
  { target }: Attempt,
  code: string,
  retryAfter: number | null = null,
  delivery: unknown = null,
): Unsent {
  const { serial, type } = target.token;
  return { serial, type, code, retryAfter, delivery };
}

function limitOf({ type }: TokenRow, address: string): Limit {
  const key = `${type} to ${WAYS[type].limitKey(address)}`;
  return { key, most: MAILS_PER_ADDRESS, windowSeconds: HOUR_SECONDS };
}
