import { and, eq, gte, lt, sql } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import { placeholdersFor } from "./drizzle.ts";
import { isConstraintError, reasonOf } from "./errors.ts";
import { idempotency } from "./schema.ts";
import { isInSlice } from "./slices.ts";

/** In place of the result: the call is under way and has done nothing that must not be repeated. */
export const RESERVED = "";
/** In place of the result: the call has started what must not be done twice. */
export const STARTED = "acting";

export type IdempotencyRow = typeof idempotency.$inferSelect;

/** Calls with an idempotency key. Writes are unexecuted statements for `commit`. */
export interface IdempotencyRepository {
  find(scope: string, key: string): Promise<IdempotencyRow | undefined>;
  /**
   * Reserves the key; affects no row if another call has it. A call loses its key if it is older than `ended`, or if it
   * has not started and is older than `reserved` or, after a clock jump, newer than `future`.
   */
  reserve(
    row: IdempotencyRow,
    times: { readonly ended: Date; readonly reserved: Date; readonly future: Date },
  ): WriteStatement;
  /** Selects the call that has this key, if it reserved it at this time or later. */
  holder(since: Pick<IdempotencyRow, "scope" | "key" | "createdAt">): RowsStatement<IdempotencyRow>;
  /**
   * Stores the response of a call, and the content without the owner. If another call has taken over the key, it changes
   * nothing, or makes the commit fail (see {@link isKeyTaken}).
   * @param owned the row as it was reserved.
   */
  complete(
    call: Omit<IdempotencyRow, "createdAt">,
    owned: IdempotencyRow,
    options: { readonly failsIfTaken: boolean },
  ): WriteStatement;
  /** Releases the key of a call that has done nothing. Affects no completed call, and no other call. */
  release(call: Pick<IdempotencyRow, "scope" | "key" | "content">): WriteStatement;
  /** Deletes a slice of the keys reserved before this time. */
  prune(before: Date): WriteStatement;
}

/** Whether a commit failed because another call has taken over a key that it completes. */
export function isKeyTaken(error: unknown): boolean {
  return isConstraintError(error) && reasonOf(error).includes("idempotency.answer");
}

export function createIdempotencyRepository({ read, write, prepare }: Database): IdempotencyRepository {
  const row = placeholdersFor(["scope", "key", "content", "answer", "createdAt"]);
  const isCall = () => and(eq(idempotency.scope, row.scope), eq(idempotency.key, row.key));
  const time = (name: string) => sql.param(sql.placeholder(name), idempotency.createdAt);
  const { createdAt } = idempotency;

  const find = prepare(() => read.select().from(idempotency).where(isCall()));
  const reserve = prepare(() =>
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
          AND (${createdAt} < ${time("reserved")} OR ${createdAt} > ${time("future")}))`,
      }),
  );
  const holder = prepare(() =>
    read
      .select()
      .from(idempotency)
      .where(and(isCall(), gte(createdAt, time("createdAt")))),
  );
  const isOwned = sql`${idempotency.content} = ${sql.placeholder("owned")}`;
  const complete = prepare(() =>
    write
      .insert(idempotency)
      .values(row)
      .onConflictDoUpdate({
        target: [idempotency.scope, idempotency.key],
        set: {
          content: sql`excluded.content`,
          // NULL is not allowed there. With the same response, the commit has been applied before.
          answer: sql`CASE WHEN ${isOwned} OR ${idempotency.answer} = excluded.answer THEN excluded.answer END`,
        },
        setWhere: sql`${isOwned} OR ${sql.placeholder("failsIfTaken")}`,
      }),
  );
  const release = prepare(() =>
    write.delete(idempotency).where(and(isCall(), eq(idempotency.content, row.content))),
  );
  return {
    async find(scope, key) {
      const [[found]] = await read.batch([find({ scope, key })]);
      return found;
    },

    reserve: (row, times) => reserve({ ...row, ...times }),

    holder,

    complete: (call, { content: owned, createdAt }, { failsIfTaken }) =>
      complete({ ...call, createdAt, owned, failsIfTaken: Number(failsIfTaken) }),

    release,

    prune: (before) =>
      write.delete(idempotency).where(isInSlice(idempotency, lt(idempotency.createdAt, before))),
  };
}
