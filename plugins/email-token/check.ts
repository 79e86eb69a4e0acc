import { sql } from "drizzle-orm";
import type { Context } from "hono";
import { type Env, type Limit, language } from "sealpost";
import { type AttemptRepository, WRONG } from "./attempts.ts";
import { MOST_FAILURES } from "./challenges.ts";
import { codeText } from "./trigger.ts";
import type { TokenContext } from "./config.ts";
import type { Owned } from "./owners.ts";
import type { TokenRow } from "./tables.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

/** What came of a try. */
export interface Attempt {
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
    targets: readonly Owned[],
    {
      transactionId,
      code,
      limits,
    }: { readonly transactionId: string; readonly code: string; readonly limits: readonly Limit[] },
  ): Promise<Attempt> => {
    const rows = targets.map(({ token }) => token);
    const codeHash = await ctx.mac(codeText(transactionId, code));
    const plan = await ctx.limit.plan(...limits);
    const id = ctx.newId();
    const of = { of: rows, transactionId, codeHash, now: ctx.now(), isWithin: plan.isWithin };
    const outcomeIs = (outcome: string) => sql`${attempts.field(id, "outcome")} = ${outcome}`;
    const audit = ctx.auditRowWhere(c, { success: false }, attempts.isDecided(id), {
      success: outcomeIs("accepted"),
      identifier: attempts.field(id, "serial"),
      info: sql`CASE ${attempts.field(id, "outcome")} WHEN 'accepted' THEN 'code accepted'
        WHEN 'wrong' THEN 'wrong code' ELSE 'no such code' END`,
    });
    const { results, verdict } = await ctx.decide(
      [...plan.count, ...attempts.statements(id, of), ...plan.giveBack(attempts.isAccepted(id)), audit],
      attempts.verdict(id),
    );
    const [row] = verdict;
    if (row?.outcome === "limited") {
      const counted = results?.slice(0, limits.length);
      const longest = { allowed: false, retryAfterSeconds: limits[0]?.windowSeconds ?? 0 };
      ctx.limit.assertAllowed(counted ? plan.result(counted) : longest);
    }
    const wrong = (results?.[limits.length + WRONG] ?? []) as readonly {
      serial: string;
      failCount: number;
    }[];
    for (const { serial, failCount } of wrong) {
      if (failCount === MOST_FAILURES) ctx.emit("token_locked", dataOf(rows, serial));
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
