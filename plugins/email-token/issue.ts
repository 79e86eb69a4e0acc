import type { Context } from "hono";
import { type Env, type Limit, language } from "sealpost";
import { type ChallengeRepository, MOST_FAILURES, RESEND_SECONDS, TRIES_OF_CODE } from "./challenges.ts";
import type { Settings, TokenContext } from "./options.ts";
import type { Owned } from "./owners.ts";
import type { ChallengeRow, TokenRow } from "./tables.ts";
import { LANGUAGES } from "./texts.ts";
import { type createSendCode, promptFor, WAYS } from "./ways.ts";

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

/** Makes what sends a code to every token of a list, all in one transaction. */
export function createTrigger(parts: {
  readonly ctx: TokenContext;
  readonly challenges: ChallengeRepository;
  readonly sendCode: ReturnType<typeof createSendCode>;
}) {
  const { ctx, challenges, sendCode } = parts;

  async function one(c: Context<Env>, target: Owned, transactionId: string, settings: Settings) {
    const { token } = target;
    const now = ctx.now();
    const address = token.address || (target.owner ? WAYS[token.type].addressOf(target.owner) : "");
    const asked = { c, target, address, language: language(c, LANGUAGES) };
    const standing = await challenges.find(token.serial);
    const again = (row: ChallengeRow, resendAfter: number): Issued => ({
      ...issuedFor(row, token),
      message: promptFor(ctx, asked, settings),
      resendAfter,
    });
    const unsent = (code: string, retryAfter: number | null = null, delivery: unknown = null): Unsent => {
      return { serial: token.serial, type: token.type, code, retryAfter, delivery };
    };

    if (token.failCount >= MOST_FAILURES) return unsent("locked");
    const early = secondsUntilNext(token, now);
    if (early > 0 && standing) return again(standing, early);
    if (address === "") return unsent("no_address");
    const limit = limitOf(token, address);
    const { allowed, retryAfterSeconds } = await ctx.limit.take(limit);
    if (!allowed) {
      const isGood = standing && standing.triesLeft > 0 && standing.expiresAt > now;
      return isGood ? again(standing, retryAfterSeconds) : unsent("rate_limited", retryAfterSeconds);
    }

    const code = ctx.randomText(token.otpLength, DIGITS);
    const row: ChallengeRow = {
      ...{ serial: token.serial, transactionId, triesLeft: TRIES_OF_CODE },
      codeHash: await ctx.mac(codeText(transactionId, code)),
      expiresAt: new Date(now.getTime() + WAYS[token.type].validSeconds(settings) * 1_000),
    };
    const [first] = await ctx.store.commit(challenges.issue(row, now));
    if (first.rowsAffected === 0) {
      await ctx.limit.giveBack(limit);
      const other = await challenges.find(token.serial);
      return other ? again(other, RESEND_SECONDS) : unsent("rate_limited", RESEND_SECONDS);
    }
    const withdraw = () =>
      Promise.all([ctx.store.commit(challenges.withdraw(row)), ctx.limit.giveBack(limit)]);
    const failure = await sendCode({ ...asked, code, expiresAt: row.expiresAt }, settings).catch(
      async (error) => {
        await withdraw();
        throw error;
      },
    );
    if (failure === null) {
      return { ...issuedFor(row, token), message: promptFor(ctx, asked, settings), resendAfter: null };
    }
    await withdraw();
    return unsent(failure.code, null, failure.delivery);
  }

  return async (c: Context<Env>, targets: readonly Owned[]): Promise<Trigger> => {
    const settings = await ctx.config.all();
    const transactionId = ctx.randomText(TRANSACTION_DIGITS, DIGITS);
    const results = await Promise.all(targets.map((target) => one(c, target, transactionId, settings)));
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

function issuedFor({ serial, transactionId, expiresAt }: ChallengeRow, { type }: TokenRow) {
  return { serial, type, transactionId, validUntil: expiresAt.toISOString() };
}

function secondsUntilNext({ sentAt }: TokenRow, now: Date): number {
  const elapsedMs = now.getTime() - sentAt.getTime();
  return Math.ceil(RESEND_SECONDS - elapsedMs / 1_000);
}

function limitOf({ type }: TokenRow, address: string): Limit {
  const key = `${type} to ${WAYS[type].limitKey(address)}`;
  return { key, most: MAILS_PER_ADDRESS, windowSeconds: HOUR_SECONDS };
}
