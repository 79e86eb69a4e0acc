import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { idempotency } from "./schema.ts";

/** In place of the answer: the call is under way and has done nothing that could be repeated. */
export const IDLE = "";
/** It is doing what must not be done twice. */
export const ACTING = "acting";

export type IdempotencyRow = typeof idempotency.$inferSelect;
/** One call of several with the same key: they differ in when they took it. */
type CallRef = Pick<IdempotencyRow, "scope" | "key" | "createdAt">;
export type IdempotencyRepository = ReturnType<typeof createIdempotencyRepository>;

/** Calls that carried a key. What writes is an unexecuted statement for `commit`. */
export function createIdempotencyRepository({ read, write }: Database) {
  const isCall = (scope: string, key: string) => and(eq(idempotency.scope, scope), eq(idempotency.key, key));
  return {
    async find(scope: string, key: string): Promise<IdempotencyRow | undefined> {
      return read.select().from(idempotency).where(isCall(scope, key)).get();
    },

    /**
     * Takes the key; affects no row if it is taken, unless one of these times is over, or the call that took it and has
     * done nothing took it in what is, after a clock jump, the future.
     */
    begin(
      row: IdempotencyRow,
      { ended, idle, future }: { readonly ended: Date; readonly idle: Date; readonly future: Date },
    ) {
      const { content, answer, createdAt } = row;
      return write
        .insert(idempotency)
        .values(row)
        .onConflictDoUpdate({
          target: [idempotency.scope, idempotency.key],
          set: { content, answer, createdAt },
          setWhere: sql`${idempotency.createdAt} < ${ended.getTime()}
            OR (${idempotency.answer} = ${IDLE} AND
              (${idempotency.createdAt} < ${idle.getTime()} OR ${idempotency.createdAt} > ${future.getTime()}))`,
        });
    },

    /** Marks the call as started; affects no row if another one has taken the key since. */
    act({ scope, key, createdAt }: CallRef) {
      const isOurs = and(
        isCall(scope, key),
        eq(idempotency.answer, IDLE),
        eq(idempotency.createdAt, createdAt),
      );
      return write.update(idempotency).set({ answer: ACTING }).where(isOurs);
    },

    finish(scope: string, key: string, answer: string) {
      return write.update(idempotency).set({ answer }).where(isCall(scope, key));
    },

    /** Gives the key back: the call has done nothing. One whose answer is known keeps it, and so does another call. */
    release({ scope, key, createdAt }: CallRef) {
      const isOurs = and(isCall(scope, key), eq(idempotency.createdAt, createdAt));
      return write.delete(idempotency).where(and(isOurs, inArray(idempotency.answer, [IDLE, ACTING])));
    },

    prune(before: Date) {
      return write.delete(idempotency).where(lt(idempotency.createdAt, before));
    },
  };
}
