import { sql } from "drizzle-orm";
import type { Context } from "hono";
import { type Env, language, type RateLimit, type RateLimitResult, type Statement } from "sealpost/plugin";
import { type createSendCode, type Order, promptFor, type SendFailure, WAYS } from "./channels.ts";
import type { TokenContext, TokenSettings } from "./config.ts";
import type { OwnedToken } from "./store.ts";
import {
  type ChallengeRepository,
  MOST_FAILURES,
  RESEND_SECONDS,
  secondsUntilNext,
  type TokenRepository,
  type TokenRow,
  TRIES_OF_CODE,
} from "./store.ts";
import { LANGUAGES } from "./texts.ts";

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
  readonly settings: TokenSettings;
  readonly now: Date;
}

/** Statements that record what a trigger came to; committed with the record of its message. */
type AfterTrigger = (trigger: Trigger) => readonly Statement[];

/** Creates what sends a code to every token of a list, all in one transaction. */
export function createTrigger(parts: {
  readonly ctx: TokenContext;
  readonly tokens: TokenRepository;
  readonly challenges: ChallengeRepository;
  readonly sendCode: ReturnType<typeof createSendCode>;
}) {
  const { ctx, tokens, challenges, sendCode } = parts;

  async function one(attempt: Attempt, record: Recorder): Promise<Issued | Unsent> {
    const { target, now, address } = attempt;
    const { token } = target;
    if (token.failCount >= MOST_FAILURES) return unsent(attempt, "locked");
    const early = secondsUntilNext(token, now);
    if (early > 0) return again(attempt, token, early);
    if (address === "") return unsent(attempt, "no_address");
    return begin(attempt, record);
  }

  /** From one commit on this transaction is the token's, and its code is the one that may be good. */
  async function begin(attempt: Attempt, record: Recorder): Promise<Issued | Unsent> {
    const { target, transactionId, now } = attempt;
    const { serial, otpLength } = target.token;
    const code = ctx.random.text(otpLength, DIGITS);
    const codeHash = await ctx.secrets.mac(codeText(transactionId, code));
    const expiresAt = validUntil(attempt, now);
    const plan = await ctx.limits.plan(limitOf(target.token, attempt.address));
    const row = { serial, transactionId, codeHash, triesLeft: TRIES_OF_CODE, expiresAt };
    const results: readonly unknown[] = await ctx.store.commit([
      ...plan.consume,
      challenges.begin(serial, transactionId, now, plan.isWithin),
      ...plan.refund(sql`NOT ${challenges.isOf(serial, transactionId)}`),
      challenges.issue(row),
    ]);
    const { rowsAffected } = results[plan.consume.length] as { readonly rowsAffected: number };
    const counted = plan.result(results.slice(0, plan.consume.length));
    if (rowsAffected === 0) return notBegun(attempt, counted);
    const undo = () => [...challenges.withdraw(target.token, transactionId), ...plan.refund()];
    return send(attempt, { code, expiresAt, undo, record });
  }

  async function send(
    attempt: Attempt,
    begun: {
      readonly code: string;
      readonly expiresAt: Date;
      readonly undo: () => readonly Statement[];
      readonly record: Recorder;
    },
  ): Promise<Issued | Unsent> {
    const { code, expiresAt, undo, record } = begun;
    const done = issued(attempt, attempt.transactionId, expiresAt, null);
    const resultOf = (failure: SendFailure): Issued | Unsent =>
      failure === null ? done : unsent(attempt, failure.code, null, failure.delivery);
    const also = (failure: SendFailure) => [
      ...(failure === null ? [] : undo()),
      ...record.statements(resultOf(failure)),
    ];
    const order = { ...attempt, code, expiresAt };
    const failure = await sendCode(order, attempt.settings, also).catch(async (error) => {
      await ctx.store.append(...undo());
      throw error;
    });
    return resultOf(failure);
  }

  /** Its limit is used up, another code was sent meanwhile, or it was locked. */
  async function notBegun(attempt: Attempt, counted: RateLimitResult): Promise<Issued | Unsent> {
    const { serial } = attempt.target.token;
    if (!counted.allowed) {
      const old = await challenges.find(serial);
      const isGood = old && old.triesLeft > 0 && old.expiresAt > attempt.now;
      if (isGood) return issued(attempt, old.transactionId, old.expiresAt, counted.retryAfterSeconds);
      return unsent(attempt, "rate_limited", counted.retryAfterSeconds);
    }
    const other = await tokens.find(serial);
    return other?.transactionId ? again(attempt, other, RESEND_SECONDS) : unsent(attempt, "locked");
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

  return async (c: Context<Env>, targets: readonly OwnedToken[], after: AfterTrigger): Promise<Trigger> => {
    const settings = await ctx.settings.all();
    const transactionId = ctx.random.text(TRANSACTION_DIGITS, DIGITS);
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
        now: ctx.time.now(),
      };
    });
    // Of several tokens the record has to wait for the last one.
    const record = new Recorder(attempts.length === 1 ? after : () => []);
    const trigger = triggerOf(await Promise.all(attempts.map((attempt) => one(attempt, record))));
    if (attempts.length !== 1 || !record.isUsed) await ctx.store.append(...after(trigger));
    return trigger;
  };
}

/** Gives the statements that record a trigger of one token, to the commit that records its message. */
class Recorder {
  readonly #after: AfterTrigger;
  isUsed = false;

  constructor(after: AfterTrigger) {
    this.#after = after;
  }

  statements(result: Issued | Unsent): readonly Statement[] {
    this.isUsed = true;
    return this.#after(triggerOf([result]));
  }
}

function triggerOf(results: readonly (Issued | Unsent)[]): Trigger {
  return {
    issued: results.filter((result) => "transactionId" in result),
    unsent: results.filter((result) => "code" in result),
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

function limitOf({ type }: TokenRow, address: string): RateLimit {
  const key = `${type} to ${WAYS[type].limitKey(address)}`;
  return { key, max: MAILS_PER_ADDRESS, windowSeconds: HOUR_SECONDS };
}
