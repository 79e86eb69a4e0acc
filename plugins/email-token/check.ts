import { and, eq, gt, inArray, lt, lte, or, type SQL, sql } from "drizzle-orm";
import type { Context } from "hono";
import { type Env, language, MAX_CLOCK_SKEW_MS, type RateLimit } from "sealpost/plugin";
import { MAX_VALID_SECONDS, type TokenContext } from "./config.ts";
import { eventDataOf } from "./owners.ts";
import {
  attempt,
  challenge,
  isUsable,
  isVerifiable,
  MAX_FAILURES,
  type OwnedToken,
  type TokenRow,
  token,
} from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";
import { codeText } from "./trigger.ts";

/** Retention of an attempt. Longer than its verdict may be read after a lost response. */
const ATTEMPT_KEPT_MS = 60_000;
const NEVER = new Date(0);

/** Tokens that a code may be for, and how the right one changes them. */
interface Purpose {
  readonly isMeant: SQL;
  readonly accepted: Partial<Pick<TokenRow, "rolloutState">>;
}
const PURPOSES = {
  login: { isMeant: isUsable, accepted: {} },
  enrollment: { isMeant: isVerifiable, accepted: { rolloutState: "" } },
} as const satisfies Record<string, Purpose>;

interface CheckResult {
  readonly accepted: boolean;
  /** The token that the code was compared with, or `null` if there is none. */
  readonly token: TokenRow | null;
  readonly message: string;
}

/** Checks a code against the challenges of a transaction. */
export type CheckCode = (
  c: Context<Env>,
  targets: readonly OwnedToken[],
  attempt: { readonly transactionId: string; readonly code: string; readonly limits: readonly RateLimit[] },
) => Promise<CheckResult>;

/**
 * Creates `checkCode`. One commit counts the attempt, decides it, refunds the rate limits if the code was right and writes
 * the audit row: a code is never used up without a verdict.
 * @param purpose `enrollment`: for tokens that wait for their first code, which ends that.
 */
export function createCheckCode(
  deps: Pick<TokenContext, "store" | "secrets" | "limits" | "audit" | "events" | "time" | "random">,
  purpose: keyof typeof PURPOSES = "login",
): CheckCode {
  const { store, secrets, limits, events, time, random } = deps;
  const attempts = createAttempts(deps, PURPOSES[purpose]);
  return async (c, targets, { transactionId, code, limits: rateLimits }) => {
    const tokens = targets.map(({ token }) => token);
    const codeHash = await secrets.mac(codeText(transactionId, code));
    const plan = await limits.plan(...rateLimits);
    const key: AttemptKey = { id: random.id(), now: time.now() };
    const values = { ...key, tokens, transactionId, codeHash, limits: plan.limits };
    const { decide, refund, forget } = attempts.statements(values);
    const { results, verdict } = await store.decide(
      [
        ...plan.consume,
        ...decide,
        ...(rateLimits.length === 0 ? [] : [refund]),
        forget,
        attempts.auditRow(c, key),
      ],
      attempts.verdict(key),
    );
    const [decided] = verdict ?? (results[rateLimits.length] as readonly Verdict[]);
    if (decided?.outcome === "limited") {
      const counted = results?.slice(0, rateLimits.length);
      const longest = { allowed: false, retryAfterSeconds: rateLimits[0]?.windowSeconds ?? 0 };
      limits.assertAllowed(counted ? plan.result(counted) : longest);
    }
    const counted = (results?.[rateLimits.length + COUNTED] ?? []) as readonly CountedToken[];
    for (const { serial, failCount } of counted) {
      if (failCount === MAX_FAILURES) events.emit("token_locked", eventDataOf(tokens, serial));
    }
    const accepted = decided?.outcome === "accepted";
    const texts = TEXTS[language(c, LANGUAGES)];
    return {
      accepted,
      token: tokens.find(({ serial }) => serial === decided?.serial) ?? null,
      message: accepted ? texts.accepted : texts.wrongCode,
    };
  };
}

/** The key of an attempt. */
interface AttemptKey {
  readonly id: string;
  readonly now: Date;
}

/** The row that the first statement of an attempt returns. */
type Verdict = Pick<typeof attempt.$inferSelect, "outcome" | "serial">;

/** A token after an attempt: its failures are zero if the code was right. Locked tokens are not counted. */
type CountedToken = Pick<TokenRow, "serial" | "failCount">;
/** Index of the statement that returns them. */
const COUNTED = 1;

type AttemptDeps = Pick<TokenContext, "store" | "limits" | "audit">;

/** Creates the statements on attempts with a code. */
function createAttempts({ store: { write, prepare }, limits, audit }: AttemptDeps, purpose: Purpose) {
  // Built for the first attempt: they are long, and most processes start for another request.
  let statements: ReturnType<typeof attemptStatements> | null = null;
  const { outcome, has, isThis } = outcomeOfAttempt();
  const insertAudit = audit.prepareRow(has(sql`${attempt.outcome} <> 'limited'`), {
    success: sql`${outcome} = 'accepted'`,
    identifier: sql`(SELECT ${attempt.serial} FROM ${attempt} WHERE ${isThis})`,
    info: sql`CASE ${outcome} WHEN 'accepted' THEN 'code accepted'
      WHEN 'wrong' THEN 'wrong code' ELSE 'no such code' END`,
  });
  const verdict = prepare(() => write.select().from(attempt).where(isThis));
  return {
    /**
     * Returns the statements of one attempt. They follow the ones that count its rate limits. The first decides the outcome
     * and returns it, and the others carry it out: of two attempts with the same code one succeeds, because that ends the
     * transaction. The statement of `decide` at {@link COUNTED} returns the tokens that it changed.
     */
    statements({
      tokens,
      now,
      ...given
    }: AttemptKey & {
      readonly tokens: readonly TokenRow[];
      readonly transactionId: string;
      readonly codeHash: string;
      readonly limits: string;
    }) {
      const after = (ms: number) => new Date(now.getTime() + ms);
      const values = {
        ...given,
        now,
        // Without tokens the statements are the same, so that the response takes as long.
        serials: JSON.stringify(tokens.map(({ serial }) => serial)),
        // A code must not live longer because the clock was set back.
        latest: after(MAX_VALID_SECONDS * 1_000 + MAX_CLOCK_SKEW_MS),
        keptSince: after(-ATTEMPT_KEPT_MS),
        keptUntil: after(ATTEMPT_KEPT_MS),
      };
      statements ??= attemptStatements(purpose, { write, prepare, limits });
      const { decide, refund, forget } = statements;
      return {
        decide: decide.map((statement) => statement(values)),
        refund: refund(values),
        forget: forget(values),
      };
    },

    auditRow: (c: Context<Env>, key: AttemptKey) => insertAudit(c, { success: false }, key),

    verdict: (key: AttemptKey) => verdict(key),
  };
}

/** Whether a row is the attempt, its outcome, and whether it meets a condition, as expressions. */
function outcomeOfAttempt() {
  const isThis = sql`${attempt.at} = ${sql.param(sql.placeholder("now"), attempt.at)} AND ${attempt.id} = ${sql.placeholder("id")}`;
  const has = (condition: SQL) => sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${isThis} AND ${condition})`;
  return { isThis, has, outcome: sql`(SELECT ${attempt.outcome} FROM ${attempt} WHERE ${isThis})` };
}

function attemptStatements(
  { isMeant, accepted }: Purpose,
  { write, prepare, limits }: Pick<TokenContext["store"], "write" | "prepare"> & Pick<TokenContext, "limits">,
) {
  const placeholder = sql.placeholder;
  const timeOf = (name: string, column: typeof challenge.expiresAt | typeof attempt.at) =>
    sql.param(placeholder(name), column);
  const { outcome, has } = outcomeOfAttempt();
  const isOfTransaction = eq(challenge.transactionId, placeholder("transactionId"));
  const isLive = and(
    isOfTransaction,
    sql`${challenge.serial} IN (SELECT value FROM json_each(${placeholder("serials")}))`,
    gt(challenge.attemptsLeft, 0),
    gt(challenge.expiresAt, timeOf("now", challenge.expiresAt)),
    lte(challenge.expiresAt, timeOf("latest", challenge.expiresAt)),
  );
  const isRight = eq(challenge.codeHash, placeholder("codeHash"));
  const { serial, failCount } = token;
  const isUnlocked = and(lt(failCount, MAX_FAILURES), isMeant);
  const comparedSerials = write
    .select({ serial: challenge.serial })
    .from(challenge)
    .where(
      and(isLive, sql`CASE ${outcome} WHEN 'accepted' THEN ${isRight} WHEN 'wrong' THEN TRUE ELSE FALSE END`),
    );
  const ifAccepted = (then: SQL, otherwise: SQL) =>
    sql`CASE ${outcome} WHEN 'accepted' THEN ${then} ELSE ${otherwise} END`;
  const decide = [
    write.all(sql`INSERT INTO ${attempt} (id, outcome, serial, at)
      SELECT ${placeholder("id")}, CASE WHEN NOT is_within THEN 'limited' WHEN found.serial IS NULL THEN 'unknown'
          WHEN is_right THEN 'accepted' ELSE 'wrong' END,
        coalesce(found.serial, ''), ${timeOf("now", attempt.at)}
      FROM (SELECT ${limits.isWithin} AS is_within)
      LEFT JOIN (SELECT ${serial} AS serial, ${isRight} AS is_right FROM ${challenge}
        JOIN ${token} ON ${serial} = ${challenge.serial} WHERE ${and(isLive, isUnlocked)}
        ORDER BY is_right DESC, 1 LIMIT 1) AS found ON is_within
      RETURNING outcome, serial`),
    write
      .update(token)
      .set({
        failCount: ifAccepted(sql`0`, sql`${failCount} + 1`),
        sentAt: ifAccepted(sql`${sql.param(NEVER, token.sentAt)}`, sql`${token.sentAt}`),
        ...(accepted.rolloutState === undefined
          ? {}
          : { rolloutState: ifAccepted(sql`${accepted.rolloutState}`, sql`${token.rolloutState}`) }),
      })
      .where(and(inArray(serial, comparedSerials), isUnlocked))
      .returning({ serial, failCount }),
    // A used code stays until it expires: to delete it and insert the next one writes three times as much.
    write
      .update(challenge)
      .set({ attemptsLeft: ifAccepted(sql`0`, sql`${challenge.attemptsLeft} - 1`) })
      .where(
        and(
          isOfTransaction,
          sql`CASE ${outcome} WHEN 'accepted' THEN TRUE WHEN 'limited' THEN FALSE ELSE ${isLive} END`,
        ),
      ),
  ];
  // Old attempts, and attempts from before the clock was set back.
  const forget = write
    .delete(attempt)
    .where(
      or(lt(attempt.at, timeOf("keptSince", attempt.at)), gt(attempt.at, timeOf("keptUntil", attempt.at))),
    );
  return {
    decide: decide.map((statement) => prepare(() => statement)),
    refund: prepare(() => limits.refund(has(sql`${attempt.outcome} = 'accepted'`))),
    forget: prepare(() => forget),
  };
}
