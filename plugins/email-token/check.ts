import { and, eq, gt, inArray, lt, lte, type SQL, sql } from "drizzle-orm";
import type { Context } from "hono";
import type { PluginStore } from "sealpost/plugin";
import { type Env, language, type PluginContext, type RateLimit } from "sealpost/plugin";
import type { TokenContext } from "./config.ts";
import type { OwnedToken } from "./store.ts";
import {
  attempt,
  CLOCK_SKEW_MS,
  challenge,
  MAX_VALID_MS,
  MOST_FAILURES,
  type TokenRow,
  token,
} from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";
import { codeText } from "./trigger.ts";

/** What came of a try. */
interface Attempt {
  readonly accepted: boolean;
  /** The token that it was right for, or wrong for. */
  readonly token: TokenRow | null;
  readonly message: string;
}

/**
 * Creates the check of a code. One commit counts the attempt, decides on it, takes back what was counted if it was right,
 * and writes the audit row: a code is never used up without its verdict.
 */
export function createCheckCode(parts: { readonly ctx: TokenContext; readonly attempts: AttemptRepository }) {
  const { ctx, attempts } = parts;
  return async (
    c: Context<Env>,
    targets: readonly OwnedToken[],
    {
      transactionId,
      code,
      limits,
    }: { readonly transactionId: string; readonly code: string; readonly limits: readonly RateLimit[] },
  ): Promise<Attempt> => {
    const rows = targets.map(({ token }) => token);
    const codeHash = await ctx.secrets.mac(codeText(transactionId, code));
    const plan = await ctx.limits.plan(...limits);
    const id = ctx.random.id();
    const of = { of: rows, transactionId, codeHash, now: ctx.time.now(), isWithin: plan.isWithin };
    const outcomeIs = (outcome: string) => sql`${attempts.field(id, "outcome")} = ${outcome}`;
    const audit = ctx.audit.rowWhere(c, { success: false }, attempts.isDecided(id), {
      success: outcomeIs("accepted"),
      identifier: attempts.field(id, "serial"),
      info: sql`CASE ${attempts.field(id, "outcome")} WHEN 'accepted' THEN 'code accepted'
        WHEN 'wrong' THEN 'wrong code' ELSE 'no such code' END`,
    });
    const { results, verdict } = await ctx.store.decide(
      [...plan.consume, ...attempts.statements(id, of), ...plan.refund(attempts.isAccepted(id)), audit],
      attempts.verdict(id),
    );
    const [row] = verdict;
    if (row?.outcome === "limited") {
      const counted = results?.slice(0, limits.length);
      const longest = { allowed: false, retryAfterSeconds: limits[0]?.windowSeconds ?? 0 };
      ctx.limits.assertAllowed(counted ? plan.result(counted) : longest);
    }
    const wrong = (results?.[limits.length + WRONG] ?? []) as readonly {
      serial: string;
      failCount: number;
    }[];
    for (const { serial, failCount } of wrong) {
      if (failCount === MOST_FAILURES) ctx.events.emit("token_locked", dataOf(rows, serial));
    }
    const accepted = row?.outcome === "accepted";
    const token = rows.find(({ serial }) => serial === row?.serial) ?? null;
    const texts = TEXTS[language(c, LANGUAGES)];
    return { accepted, token, message: accepted ? texts.accepted : texts.wrongCode };
  };
}

/** What events say of a token. */
export function dataOf(rows: readonly TokenRow[], serial: string): Readonly<Record<string, unknown>> {
  const row = rows.find((one) => one.serial === serial);
  return row ? { user: row.username, realm: row.realm, serial, tokentype: row.type } : {};
}

/** How long an attempt is kept: longer than its verdict is read for. */
const KEPT_MS = 60_000;
const NEVER = new Date(0);

type AttemptRepository = ReturnType<typeof createAttemptRepository>;

/** Attempts with a code. */
export function createAttemptRepository({
  write,
  prepare,
}: Pick<PluginContext["store"], "write" | "prepare">) {
  const statements = attemptStatements({ write, prepare });
  return {
    /**
     * One attempt, to be committed together behind the counting of its limits. The row of the attempt says what it came
     * to, and each statement goes by it: of two attempts with one code one gets it, as its transaction ends then. The
     * statement at {@link WRONG} returns the tokens that it was wrong for (not those that are locked).
     */
    statements(
      id: string,
      {
        of,
        transactionId,
        codeHash,
        now,
        isWithin,
      }: {
        readonly of: readonly TokenRow[];
        readonly transactionId: string;
        readonly codeHash: string;
        readonly now: Date;
        /** Whether no limit is used up. */
        readonly isWithin: SQL;
      },
    ) {
      // Without a token the statements are the same.
      const serials = JSON.stringify(of.map(({ serial }) => serial));
      // A clock that was put back makes no code live longer.
      const latest = new Date(now.getTime() + MAX_VALID_MS + CLOCK_SKEW_MS);
      const values = { id, serials, transactionId, codeHash, now, latest };
      const at = sql.param(now, attempt.at);
      return [
        write.run(sql`INSERT INTO ${attempt} (id, outcome, serial, at)
          SELECT ${id}, 'limited', '', ${at} WHERE NOT (${isWithin})`),
        ...statements.map((statement) => statement(values)),
        prune(write, now),
      ];
    },

    /** Whether an attempt was accepted, as an expression. */
    isAccepted: (id: string): SQL => sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${attempt.id} = ${id}
      AND ${attempt.outcome} = 'accepted')`,

    /** Whether an attempt was looked at, as an expression. */
    isDecided: (id: string): SQL => sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${attempt.id} = ${id}
      AND ${attempt.outcome} <> 'limited')`,

    /** A column of an attempt, as an expression. */
    field: (id: string, column: "outcome" | "serial"): SQL =>
      sql`(SELECT ${attempt[column]} FROM ${attempt} WHERE ${attempt.id} = ${id})`,

    verdict: (id: string) => (database: PluginStore["read"]) =>
      database.select().from(attempt).where(eq(attempt.id, id)),
  };
}

/** Index of the statement that returns the tokens that a code was wrong for. */
const WRONG = 4;

function attemptStatements({ write, prepare }: Pick<PluginContext["store"], "write" | "prepare">) {
  const placeholder = sql.placeholder;
  const now = (column: typeof challenge.expiresAt | typeof attempt.at) =>
    sql.param(placeholder("now"), column);
  const isOfTransaction = eq(challenge.transactionId, placeholder("transactionId"));
  const isLive = and(
    isOfTransaction,
    sql`${challenge.serial} IN (SELECT value FROM json_each(${placeholder("serials")}))`,
    gt(challenge.triesLeft, 0),
    gt(challenge.expiresAt, now(challenge.expiresAt)),
    lte(challenge.expiresAt, sql.param(placeholder("latest"), challenge.expiresAt)),
  );
  const isRight = eq(challenge.codeHash, placeholder("codeHash"));
  const serialsWhere = (where: SQL | undefined) =>
    write.select({ serial: challenge.serial }).from(challenge).where(where);
  const has = (outcomes: SQL) =>
    sql`EXISTS (SELECT 1 FROM ${attempt} WHERE ${attempt.id} = ${placeholder("id")} AND ${outcomes})`;
  const isOpen = sql`NOT ${has(sql`true`)}`;
  const { serial, failCount } = token;
  const isUnlocked = lt(failCount, MOST_FAILURES);
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
        .set({ failCount: 0, sentAt: NEVER })
        .where(and(inArray(serial, serialsWhere(and(isLive, isRight))), isUnlocked, isOpen)),
    ),
    prepare(insert("accepted", firstSerial(and(isLive, isRight)), sql`changes() > 0`)),
    prepare(write.delete(challenge).where(and(isOfTransaction, has(sql`${attempt.outcome} = 'accepted'`)))),
    prepare(
      write
        .update(token)
        .set({ failCount: sql`${failCount} + 1` })
        .where(and(inArray(serial, serialsWhere(isLive)), isUnlocked, isOpen))
        .returning({ serial, failCount }),
    ),
    prepare(insert("wrong", firstSerial(isLive), sql`changes() > 0`)),
    prepare(
      write
        .update(challenge)
        .set({ triesLeft: sql`${challenge.triesLeft} - 1` })
        .where(and(isLive, sql`NOT ${has(sql`${attempt.outcome} IN ('limited', 'accepted')`)}`)),
    ),
    prepare(insert("unknown", sql`''`, isOpen)),
  ] as const;
}

/** Deletes older ones, and those from before the clock was put back. */
function prune(write: PluginStore["write"], now: Date) {
  const [earliest, latest] = [-KEPT_MS, KEPT_MS].map((ms) => new Date(now.getTime() + ms)) as [Date, Date];
  return write.delete(attempt).where(sql`${attempt.at} < ${sql.param(earliest, attempt.at)}
    OR ${attempt.at} > ${sql.param(latest, attempt.at)}`);
}
