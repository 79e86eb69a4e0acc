import type { Context } from "hono";
import { type Env, language } from "sealpost";
import { type ChallengeRepository, MOST_FAILURES } from "./challenges.ts";
import { codeText } from "./issue.ts";
import type { TokenContext } from "./options.ts";
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

/** Makes what checks a code. Whether it is right is decided by one conditional write. */
export function createCheckCode(parts: {
  readonly ctx: TokenContext;
  readonly challenges: ChallengeRepository;
}) {
  const { ctx, challenges } = parts;
  return async (
    c: Context<Env>,
    targets: readonly Owned[],
    { transactionId, code }: { readonly transactionId: string; readonly code: string },
  ): Promise<Attempt> => {
    const hash = await ctx.mac(codeText(transactionId, code));
    const rows = targets.map(({ token }) => token);
    const [right, , wrong] = await ctx.store.commit(challenges.attempt(rows, transactionId, hash, ctx.now()));
    const [won] = right;
    for (const { serial, failCount } of wrong) {
      if (failCount === MOST_FAILURES) ctx.emit("token_locked", dataOf(rows, serial));
    }
    const serial = won?.serial ?? wrong[0]?.serial;
    const token = rows.find((row) => row.serial === serial) ?? null;
    const info = won ? "code accepted" : wrong.length > 0 ? "wrong code" : "no such code";
    await ctx.audit(c, { success: won !== undefined, identifier: serial ?? "", info });
    const texts = TEXTS[language(c, LANGUAGES)];
    return { accepted: won !== undefined, token, message: won ? texts.accepted : texts.wrongCode };
  };
}

/** What events say of a token. */
export function dataOf(rows: readonly TokenRow[], serial: string): Readonly<Record<string, unknown>> {
  const row = rows.find((one) => one.serial === serial);
  return row ? { user: row.username, realm: row.realm, serial, tokentype: row.type } : {};
}
