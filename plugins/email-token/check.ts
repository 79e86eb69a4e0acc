import { and, eq, gt, inArray, lt, lte, type SQL, sql } from "drizzle-orm";
import type { Context } from "hono";
import { type Env, language, MAX_CLOCK_SKEW_MS, type PluginStore, type RateLimit } from "sealpost/plugin";
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
  {
    store,
    secrets,
    limits,
    audit,
    events,
    time,
    random,
  }: Pick<TokenContext, "store" | "secrets" | "limits" | "audit" | "events" | "time" | "random">,
  purpose: keyof typeof PURPOSES = "login",
): CheckCode {
  const attempts = createAttempts(store, PURPOSES[purpose]);
  return async (c, targets, { transactionId, code, limits: rateLimits }) => {
    const tokens = targets.map(({ token }) => token);
    const codeHash = await secrets.mac(codeText(transactionId, code));
    const plan = await limits.plan(...rateLimits);
    const id = random.id();
    const outcome = attempts.field(id, "outcome");
    const row = audit.rowWhere(c, { success: false }, attempts.isDecided(id), {
      success: sql`${outcome} = ${"accepted"}`,
      identifier: attempts.field(id, "serial"),
      info: sql`CASE ${outcome} WHEN 'accepted' THEN 'code accepted'
        WHEN 'wrong' THEN 'wrong code' ELSE 'no such code' END`,
    });
    const values = { tokens, transactionId, codeHash, now: time.now(), isWithin: plan.isWithin };
    const { results, verdict } = await store.decide(
      [...plan.consume, ...attempts.statements(id, values), ...plan.refund(attempts.isAccepted(id)), row],
      attempts.verdict(id),
    );
    const [decided] = verdict;
    if (decided?.outcome === "limited") {
      const counted = results?.slice(0, rateLimits.length);
      const longest = { allowed: false, retryAfterSeconds: rateLimits[0]?.windowSeconds ?? 0 };
      limits.assertAllowed(counted ? plan.result(counted) : longest);
    }
    const wrong = (results?.[rateLimits.length + WRONG] ?? []) as readonly WrongToken[];
    for (const { serial, failCount } of wrong) {
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

/** A token that a code was wrong for. Locked tokens are not counted. */
type WrongToken = Pick<TokenRow, "serial" | "failCount">;
/** Index of the statement that returns them. */
const WRONG = 4;

type AttemptStore = Pick<TokenContext["store"], "write" | "prepare">;

/** Creates the statements on attempts with a code. */
function createAttempts({ write, prepare }: AttemptStore, purpose: Purpose) {
  const statements = attemptStatements({ write, prepare }, purpose);
  return {
    /**
     * Returns the statements of one attempt. They follow the ones that count its rate limits. The row of the attempt
     * holds the outcome, and each statement depends on it: of two attempts with the same code one succeeds, because that
     * ends the transaction. The statement at {@link WRONG} returns the tokens that the code was wrong for.
     */
    statements(
      id: string,
      given: {
        readonly tokens: readonly TokenRow[];
        readonly transactionId: string;
        readonly codeHash: string;
        readonly now: Date;
        /** Whether every rate limit allows the attempt. */
        readonly isWithin: SQL;
      },
    ) {
      const { tokens, transactionId, codeHash, now, isWithin } = given;
      // Without tokens the statements are the same, so that the response takes as long.
      const serials = JSON.stringify(tokens.map(({ serial }) => serial));
      // A code must not live longer because the clock was set back.
      const latest = new Date(now.getTime() + MAX_VALID_SECONDS * 1_000 + MAX_CLOCK_SKEW_MS);
      const values = { id, serials, transactionId, codeHash, now, latest };
      return [
        write.run(sql`INSERT INTO ${attempt} (id, outcome, serial, at)
          SELECT ${id}, 'limited', '', ${sql.param(now, attempt.at)} WHERE NOT (${isWithin})`),
        ...statements.map((statement) => statement(values)),
        prune(write, now),
      ];
    },

    /** Whether an attempt was accepted, as an expression. */
    isAccepted: (id: string): SQL => sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${attempt.id} = ${id}
      AND ${attempt.outcome} = 'accepted')`,

    /** Whether the code of an attempt was compared, as an expression. */
    isDecided: (id: string): SQL => sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${attempt.id} = ${id}
      AND ${attempt.outcome} <> 'limited')`,

    /** A column of an attempt, as an expression. */
    field: (id: string, column: "outcome" | "serial"): SQL =>
      sql`(SELECT ${attempt[column]} FROM ${attempt} WHERE ${attempt.id} = ${id})`,

    verdict: (id: string) => (database: PluginStore["read"]) =>
      database.select().from(attempt).where(eq(attempt.id, id)),
  };
}

function attemptStatements({ write, prepare }: AttemptStore, { isMeant, accepted }: Purpose) {
  const placeholder = sql.placeholder;
  const now = (column: typeof challenge.expiresAt | typeof attempt.at) =>
    sql.param(placeholder("now"), column);
  const isOfTransaction = eq(challenge.transactionId, placeholder("transactionId"));
  const isLive = and(
    isOfTransaction,
    sql`${challenge.serial} IN (SELECT value FROM json_each(${placeholder("serials")}))`,
    gt(challenge.attemptsLeft, 0),
    gt(challenge.expiresAt, now(challenge.expiresAt)),
    lte(challenge.expiresAt, sql.param(placeholder("latest"), challenge.expiresAt)),
  );
  const isRight = eq(challenge.codeHash, placeholder("codeHash"));
  const serialsWhere = (where: SQL | undefined) =>
    write.select({ serial: challenge.serial }).from(challenge).where(where);
  const has = (outcomes: SQL) =>
    sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${attempt.id} = ${placeholder("id")} AND ${outcomes})`;
  const isUndecided = sql`NOT ${has(sql`true`)}`;
  const { serial, failCount } = token;
  const isUnlocked = and(lt(failCount, MAX_FAILURES), isMeant);
  const insert = (outcome: string, of: SQL, where: SQL) =>
    write.run(sql`INSERT INTO ${attempt} (id, outcome, serial, at)
      SELECT ${placeholder("id")}, ${sql.raw(`'${outcome}'`)}, ${of}, ${now(attempt.at)} WHERE ${where}`);
  const firstSerial = (where: SQL | undefined) =>
    sql`coalesce((SELECT ${challenge.serial} FROM ${challenge} WHERE ${where}
      ORDER BY ${challenge.serial} LIMIT 1), '')`;
  return [
    prepare(
      write
        .update(token)
        .set({ failCount: 0, sentAt: NEVER, ...accepted })
        .where(and(inArray(serial, serialsWhere(and(isLive, isRight))), isUnlocked, isUndecided)),
    ),
    prepare(insert("accepted", firstSerial(and(isLive, isRight)), sql`changes() > 0`)),
    prepare(write.delete(challenge).where(and(isOfTransaction, has(sql`${attempt.outcome} = 'accepted'`)))),
    prepare(
      write
        .update(token)
        .set({ failCount: sql`${failCount} + 1` })
        .where(and(inArray(serial, serialsWhere(isLive)), isUnlocked, isUndecided))
        .returning({ serial, failCount }),
    ),
    prepare(insert("wrong", firstSerial(isLive), sql`changes() > 0`)),
    prepare(
      write
        .update(challenge)
        .set({ attemptsLeft: sql`${challenge.attemptsLeft} - 1` })
        .where(and(isLive, sql`NOT ${has(sql`${attempt.outcome} IN ('limited', 'accepted')`)}`)),
    ),
    prepare(insert("unknown", sql`''`, isUndecided)),
  ] as const;
}

/** Deletes old attempts, and attempts from before the clock was set back. */
function prune(write: PluginStore["write"], now: Date) {
  const [earliest, latest] = [-ATTEMPT_KEPT_MS, ATTEMPT_KEPT_MS].map(
    (ms) => new Date(now.getTime() + ms),
  ) as [Date, Date];
  return write.delete(attempt).where(sql`${attempt.at} < ${sql.param(earliest, attempt.at)}
    OR ${attempt.at} > ${sql.param(latest, attempt.at)}`);
}
