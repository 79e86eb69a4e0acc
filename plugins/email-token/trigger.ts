import type { Context } from "hono";
import { type Env, language, type RateLimit, type RateLimitResult, type Statement } from "sealpost/plugin";
import { CHANNELS, type CodeDelivery, promptFor, type SendCode, type SendFailure } from "./channels.ts";
import type { TokenContext, TokenSettings } from "./config.ts";
import {
  type ChallengeRow,
  type ChallengeStore,
  MAX_ATTEMPTS_PER_CODE,
  MAX_FAILURES,
  type OwnedToken,
  RESEND_SECONDS,
  secondsUntilNext,
  type TokenRow,
  type TokenStore,
} from "./store.ts";
import { LANGUAGES } from "./texts.ts";

const DIGITS = "0123456789";
/** As many as privacyIDEA uses, and enough that no one can guess them. */
const TRANSACTION_DIGITS = 20;
const MAX_CODES_PER_ADDRESS = 5;
const HOUR_SECONDS = 3_600;

/** A code on its way to the user. */
export interface SentChallenge {
  readonly serial: string;
  readonly type: TokenRow["type"];
  readonly transactionId: string;
  /** ISO 8601, UTC. */
  readonly validUntil: string;
  readonly message: string;
  /** Seconds until another code can be sent, if this one was already on its way; otherwise `null`. */
  readonly resendAfter: number | null;
}

/** The reason why no code was sent, for admins. */
export interface FailedChallenge {
  readonly serial: string;
  readonly type: TokenRow["type"];
  /** `locked`, `no_address`, `rate_limited`, `sms_unavailable`, or the code of a failed message. */
  readonly code: string;
  readonly retryAfter: number | null;
  readonly delivery: unknown;
}

/** The result for a list of tokens. Stored for repeated requests, so the field names must not change. */
export interface TriggerResult {
  readonly issued: readonly SentChallenge[];
  readonly unsent: readonly FailedChallenge[];
}

/**
 * Sends a code to each token under one transaction ID.
 * @param after returns statements that record the result, such as an audit row. They are committed with the record of the
 * message if there is one token, and afterwards if there are several.
 */
export type Trigger = (
  c: Context<Env>,
  targets: readonly OwnedToken[],
  after: (result: TriggerResult) => readonly Statement[],
) => Promise<TriggerResult>;

/** One token that is to get a code. */
interface ChallengeRequest extends Omit<CodeDelivery, "code" | "expiresAt"> {
  readonly transactionId: string;
  readonly settings: TokenSettings;
  readonly now: Date;
}

type ChallengeResult = SentChallenge | FailedChallenge;
/** Returns the statements that record a result. */
type RecordResult = (result: ChallengeResult) => readonly Statement[];

interface TriggerDeps
  extends Pick<TokenContext, "store" | "settings" | "secrets" | "limits" | "random" | "time" | "baseUrl"> {
  readonly tokens: TokenStore;
  readonly challenges: ChallengeStore;
  readonly sendCode: SendCode;
}

/** Creates `trigger`, which sends a code to each token under one transaction ID. */
export function createTrigger(deps: TriggerDeps): Trigger {
  const { store, settings, random, time } = deps;
  return async (c, targets, after) => {
    const values = await settings.all();
    const transactionId = random.text(TRANSACTION_DIGITS, DIGITS);
    const requests = targets.map((target): ChallengeRequest => {
      const { token, owner } = target;
      const address = token.address || (owner ? CHANNELS[token.type].addressOf(owner) : "");
      const shared = {
        c,
        transactionId,
        settings: values,
        language: language(c, LANGUAGES),
        now: time.now(),
      };
      return { ...shared, target, address };
    });
    // The record of several tokens has to wait for the last one.
    const isSingle = requests.length === 1;
    let isRecorded = false;
    const record: RecordResult = (result) => {
      isRecorded = isSingle;
      return isSingle ? after(toResult([result])) : [];
    };
    const result = toResult(await Promise.all(requests.map((request) => challenge(deps, request, record))));
    if (!isRecorded) await store.append(...after(result));
    return result;
  };
}

async function challenge(
  deps: TriggerDeps,
  request: ChallengeRequest,
  record: RecordResult,
): Promise<ChallengeResult> {
  const { target, now, address } = request;
  const { token } = target;
  if (token.failCount >= MAX_FAILURES) return failed(request, "locked");
  const waitSeconds = secondsUntilNext(token, now);
  if (waitSeconds > 0) return alreadySent(deps, request, token, waitSeconds);
  if (address === "") return failed(request, "no_address");
  return startTransaction(deps, request, record);
}

/** Commits the transaction and its code together with the rate limit, then sends the code. */
async function startTransaction(
  deps: TriggerDeps,
  request: ChallengeRequest,
  record: RecordResult,
): Promise<ChallengeResult> {
  const { challenges, limits, random, secrets, store } = deps;
  const { target, transactionId, now } = request;
  const { otpLength } = target.token;
  const code = random.text(otpLength, DIGITS);
  const codeHash = await secrets.mac(codeText(transactionId, code));
  const expiresAt = validUntil(request, now);
  const plan = await limits.plan(limitOf(target.token, request.address));
  const row = { transactionId, codeHash, attemptsLeft: MAX_ATTEMPTS_PER_CODE, expiresAt };
  const { results } = await store.decide(
    [
      ...plan.consume,
      challenges.current(target.token.serial),
      ...challenges.start(target.token, row, { now, limits: plan.limits }),
    ],
    challenges.started(target.token.serial, transactionId),
  );
  // Without results there is a verdict, which only a started transaction has.
  const counted = results?.slice(0, plan.consume.length);
  const [before, started] = (results?.slice(plan.consume.length) ?? []) as [
    ChallengeRow[]?,
    { readonly rowsAffected: number }?,
  ];
  if (counted && started?.rowsAffected === 0) return notStarted(deps, request, plan.result(counted));
  const undo = () => [...challenges.withdraw(target.token, transactionId, before?.[0]), ...plan.refund()];
  return send(deps, { request, code, expiresAt, undo, record });
}

async function send(
  deps: TriggerDeps,
  started: {
    readonly request: ChallengeRequest;
    readonly code: string;
    readonly expiresAt: Date;
    readonly undo: () => readonly Statement[];
    readonly record: RecordResult;
  },
): Promise<ChallengeResult> {
  const { request, code, expiresAt, undo, record } = started;
  const success = sent(deps, request, { transactionId: request.transactionId, until: expiresAt });
  const resultOf = (failure: SendFailure): ChallengeResult =>
    failure === null ? success : failed(request, failure.code, null, failure.delivery);
  const also = (failure: SendFailure) => [...(failure === null ? [] : undo()), ...record(resultOf(failure))];
  const delivery = { ...request, code, expiresAt };
  const failure = await deps.sendCode(delivery, request.settings, also).catch(async (error) => {
    await deps.store.append(...undo());
    throw error;
  });
  return resultOf(failure);
}

/** The rate limit is used up, another request sent a code meanwhile, or the token was locked. */
async function notStarted(
  deps: TriggerDeps,
  request: ChallengeRequest,
  counted: RateLimitResult,
): Promise<ChallengeResult> {
  const { serial } = request.target.token;
  const { allowed, retryAfterSeconds } = counted;
  if (!allowed) {
    const current = await deps.challenges.find(serial);
    const isValid = current && current.attemptsLeft > 0 && current.expiresAt > request.now;
    if (!isValid) return failed(request, "rate_limited", retryAfterSeconds);
    const { transactionId, expiresAt: until } = current;
    return sent(deps, request, { transactionId, until, resendAfter: retryAfterSeconds });
  }
  const other = await deps.tokens.find(serial);
  return other?.transactionId ? alreadySent(deps, request, other, RESEND_SECONDS) : failed(request, "locked");
}

/** Reports a code that was sent before, in its own transaction. */
function alreadySent(
  deps: TriggerDeps,
  request: ChallengeRequest,
  { transactionId, sentAt }: TokenRow,
  resendAfter: number,
): SentChallenge {
  return sent(deps, request, { transactionId, until: validUntil(request, sentAt), resendAfter });
}

function sent(
  deps: TriggerDeps,
  request: ChallengeRequest,
  code: { readonly transactionId: string; readonly until: Date; readonly resendAfter?: number },
): SentChallenge {
  const { serial, type } = request.target.token;
  const { transactionId, until, resendAfter = null } = code;
  const message = promptFor(deps, request, request.settings);
  return { serial, type, transactionId, validUntil: until.toISOString(), message, resendAfter };
}

function failed(
  { target }: ChallengeRequest,
  code: string,
  retryAfter: number | null = null,
  delivery: unknown = null,
): FailedChallenge {
  const { serial, type } = target.token;
  return { serial, type, code, retryAfter, delivery };
}

function toResult(results: readonly ChallengeResult[]): TriggerResult {
  return {
    issued: results.filter((result) => "transactionId" in result),
    unsent: results.filter((result) => "code" in result),
  };
}

/** The text whose keyed hash is stored instead of the code. */
export function codeText(transactionId: string, code: string): string {
  return `code ${transactionId} ${code}`;
}

function validUntil({ target, settings }: ChallengeRequest, since: Date): Date {
  return new Date(since.getTime() + CHANNELS[target.token.type].validSeconds(settings) * 1_000);
}

function limitOf({ type }: TokenRow, address: string): RateLimit {
  const key = `${type} to ${CHANNELS[type].limitKey(address)}`;
  return { key, max: MAX_CODES_PER_ADDRESS, windowSeconds: HOUR_SECONDS };
}

/** Builds the audit row of a trigger. */
export function triggerRow(
  audit: TokenContext["audit"],
  c: Context<Env>,
  { issued, unsent }: TriggerResult,
): Statement {
  const serials = [...issued, ...unsent].map(({ serial }) => serial);
  const info = [verdictOf(issued).toLowerCase(), ...unsent.map(({ serial, code }) => `${serial}: ${code}`)];
  return audit.row(c, { success: issued.length > 0, identifier: serials.join(","), info: info.join("; ") });
}

export function verdictOf(issued: TriggerResult["issued"]): "CHALLENGE" | "REJECT" {
  return issued.length > 0 ? "CHALLENGE" : "REJECT";
}
