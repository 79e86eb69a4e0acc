import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { placeholdersFor } from "./prepare.ts";
import { idempotency } from "./schema.ts";

/** In place of the answer: the call is under way and has done nothing that could be repeated. */
export const RESERVED = "";
/** It is doing what must not be done twice. */
export const STARTED = "acting";

export type IdempotencyRow = typeof idempotency.$inferSelect;
/** One call of several with the same key: they differ in when they took it. */
type CallRef = Pick<IdempotencyRow, "scope" | "key" | "createdAt">;
export type IdempotencyRepository = ReturnType<typeof createIdempotencyRepository>;

/** Calls that carried a key. What writes is an unexecuted statement for `commit`. */
export function createIdempotencyRepository({ read, write, prepare }: Database) {
  const row = placeholdersFor(["scope", "key", "content", "answer", "createdAt"]);
  const isCall = and(eq(idempotency.scope, row.scope), eq(idempotency.key, row.key));
  const time = (name: string) => sql.param(sql.placeholder(name), idempotency.createdAt);
  const { createdAt } = idempotency;
  const isOurs = and(isCall, eq(createdAt, time("createdAt")));

  const find = read.select().from(idempotency).where(isCall).prepare();
  const begin = prepare(
    write
      .insert(idempotency)
      .values(row)
      .onConflictDoUpdate({
        target: [idempotency.scope, idempotency.key],
        set: {
          content: sql`excluded.content`,
          answer: sql`excluded.answer`,
          createdAt: sql`excluded.created_at`,
        },
        setWhere: sql`${createdAt} < ${time("ended")} OR (${idempotency.answer} = ${RESERVED}
          AND (${createdAt} < ${time("idle")} OR ${createdAt} > ${time("future")}))`,
      }),
  );
  const finish = prepare(
    write
      .update(idempotency)
      .set({ answer: sql`${row.answer}` })
      .where(isCall),
  );
  const release = prepare(
    write.delete(idempotency).where(and(isOurs, inArray(idempotency.answer, [RESERVED, STARTED]))),
  );
  return {
    find: async (scope: string, key: string): Promise<IdempotencyRow | undefined> => find.get({ scope, key }),

    /**
     * Takes the key; affects no row if it is taken, unless one of these times is over, or the call that took it and has
     * done nothing took it in what is, after a clock jump, the future.
     */
    begin: (
      row: IdempotencyRow,
      times: { readonly ended: Date; readonly idle: Date; readonly future: Date },
    ) => begin({ ...row, ...times }),

    finish: (scope: string, key: string, answer: string) => finish({ scope, key, answer }),

    /** Gives the key back: the call has done nothing. One whose answer is known keeps it, and so does another call. */
    release: ({ scope, key, createdAt }: CallRef) => release({ scope, key, createdAt }),

    prune(before: Date) {
      return write.delete(idempotency).where(lt(idempotency.createdAt, before));
    },
  };
}
