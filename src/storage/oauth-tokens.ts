import { and, eq, gt, isNull, lt, lte, or, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import { oauthGrant, oauthToken } from "./schema.ts";
import { isInSlice } from "./slices.ts";

type OAuthTokenRow = typeof oauthToken.$inferSelect;
type OAuthGrantRow = typeof oauthGrant.$inferSelect;

/** The lease of a token request by one process. */
interface OAuthLease {
  /** No two leases share a token. */
  readonly lease: string;
  readonly leaseEndsAt: Date;
}

/** Access tokens, and the refresh tokens that replaced others. Writes are unexecuted statements for `commit`. */
export interface OAuthTokenRepository {
  /** Reads the rows of a key. @param given key of the grant; `null` if there is none. */
  read(
    key: string,
    given: string | null,
  ): Promise<{ readonly token: OAuthTokenRow | undefined; readonly grant: OAuthGrantRow | undefined }>;
  /**
   * Leases a request, and creates the row for `version` 0. Affects no row if the version is another one, or if there is a
   * lease. One that ends later than a new one would has survived a clock jump, and does not count.
   */
  lease(
    row: Pick<OAuthTokenRow, "key" | "definitionId" | "version">,
    lease: OAuthLease,
    now: Date,
  ): WriteStatement;
  /** Stores the result of a request and ends its lease. Affects no row if another process has the lease now. */
  settle(row: Pick<OAuthTokenRow, "key" | "state">, lease: string, now: Date): WriteStatement;
  /** Stores the use of a refresh token, or the one that replaces it. Affects no row unless `version - 1` is stored. */
  useGrant(row: OAuthGrantRow): WriteStatement;
  /** Deletes what followed from refresh tokens that the definition had before. */
  removeOtherGrants(row: Pick<OAuthGrantRow, "given" | "definitionId">): WriteStatement;
  /**
   * Deletes a slice of the tokens requested before this time, and refresh tokens used before it that belong to no definition.
   * @param idleBefore the same for refresh tokens of several definitions.
   */
  prune(before: Date, idleBefore: Date): readonly [tokens: WriteStatement, grants: WriteStatement];
}

/** In place of a definition's ID: the refresh token outlives a change or the deletion of one of its definitions. */
const SHARED = "*";

export function createOAuthTokenRepository({ read, write }: Database): OAuthTokenRepository {
  return {
    async read(key, given) {
      const [[token], [grant]] = await read.batch([
        read.select().from(oauthToken).where(eq(oauthToken.key, key)),
        read
          .select()
          .from(oauthGrant)
          .where(eq(oauthGrant.given, given ?? "")),
      ]);
      return { token, grant };
    },

    lease({ key, definitionId, version }, lease, now) {
      const isFree = or(
        isNull(oauthToken.leaseEndsAt),
        lte(oauthToken.leaseEndsAt, now),
        gt(oauthToken.leaseEndsAt, lease.leaseEndsAt),
      );
      return write
        .insert(oauthToken)
        .values({ key, definitionId, state: "", version: version + 1, ...lease, updatedAt: now })
        .onConflictDoUpdate({
          target: oauthToken.key,
          set: { ...lease, version: version + 1, updatedAt: now },
          setWhere: sql`${oauthToken.version} = ${version} AND ${isFree}`,
        });
    },

    settle: ({ key, state }, lease, now) =>
      write
        .update(oauthToken)
        .set({
          state,
          version: sql`${oauthToken.version} + 1`,
          lease: null,
          leaseEndsAt: null,
          updatedAt: now,
        })
        .where(and(eq(oauthToken.key, key), eq(oauthToken.lease, lease))),

    useGrant: (row) =>
      write
        .insert(oauthGrant)
        .values(row)
        .onConflictDoUpdate({
          target: oauthGrant.given,
          set: {
            ...row,
            definitionId: ownerOf(row.definitionId),
          },
          setWhere: eq(oauthGrant.version, row.version - 1),
        }),

    removeOtherGrants: ({ given, definitionId }) =>
      write
        .delete(oauthGrant)
        .where(
          sql`${oauthGrant.definitionId} = ${definitionId} AND ${definitionId} <> '' AND ${oauthGrant.given} <> ${given}`,
        ),

    prune: (before, idleBefore) => [
      write.delete(oauthToken).where(isInSlice(oauthToken, lt(oauthToken.updatedAt, before))),
      write
        .delete(oauthGrant)
        .where(
          isInSlice(
            oauthGrant,
            or(
              and(eq(oauthGrant.definitionId, ""), lt(oauthGrant.usedAt, before)),
              and(eq(oauthGrant.definitionId, SHARED), lt(oauthGrant.usedAt, idleBefore)),
            ),
          ),
        ),
    ],
  };
}

/**
 * Returns the definition of a refresh token that one uses. A test of an unsaved definition may use that of a stored one,
 * and several stored ones may have the same.
 */
function ownerOf(user: string) {
  const { definitionId: known } = oauthGrant;
  return sql`CASE WHEN ${user} = '' THEN ${known} WHEN ${known} IN ('', ${user}) THEN ${user} ELSE ${SHARED} END`;
}
