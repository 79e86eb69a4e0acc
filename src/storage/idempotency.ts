import { and, eq, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { idempotency } from "./schema.ts";

export type IdempotencyRow = typeof idempotency.$inferSelect;
export type IdempotencyRepository = ReturnType<typeof createIdempotencyRepository>;

/** Calls that carried a key. What writes is an unexecuted statement for `commit`. */
export function createIdempotencyRepository({ read, write }: Database) {
  const isCall = (scope: string, key: string) => and(eq(idempotency.scope, scope), eq(idempotency.key, key));
  return {
    async find(scope: string, key: string): Promise<IdempotencyRow | undefined> {
      return read.select().from(idempotency).where(isCall(scope, key)).get();
    },

    /** Takes the key; affects no row if it is taken, unless that was before `endedBefore`. */
    begin({ scope, key, content, createdAt }: Omit<IdempotencyRow, "answer">, endedBefore: Date) {
      return write
        .insert(idempotency)
        .values({ scope, key, content, answer: "", createdAt })
        .onConflictDoUpdate({
          target: [idempotency.scope, idempotency.key],
          set: { content, answer: "", createdAt },
          setWhere: sql`${idempotency.createdAt} < ${endedBefore.getTime()}`,
        });
    },

    finish(scope: string, key: string, answer: string) {
      return write.update(idempotency).set({ answer }).where(isCall(scope, key));
    },

    /** Gives the key back: the call has done nothing. A call whose answer is known keeps it. */
    release(scope: string, key: string) {
      return write.delete(idempotency).where(and(isCall(scope, key), eq(idempotency.answer, "")));
    },

    prune(before: Date) {
      return write.delete(idempotency).where(lt(idempotency.createdAt, before));
    },
  };
}
