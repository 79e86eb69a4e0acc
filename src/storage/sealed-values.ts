import { and, asc, getTableName, gt, ne, type SQL, sql } from "drizzle-orm";
import type { Database, SelectStatement, WriteStatement } from "../contracts/database.ts";
import type { SealedColumns } from "../contracts/plugin/secrets.ts";
import { SECRET_NAMES } from "../domain/smtp-server.ts";
import {
  instance,
  mailContent,
  oauthGrant,
  oauthSignIn,
  oauthToken,
  pluginConfig,
  smtpServer,
} from "./schema.ts";

/** A sealed value and the place it is bound to. */
interface SealedValue {
  readonly table: string;
  readonly row: string;
  readonly column: string;
  readonly value: string;
}

/** All sealed values of the database. */
export interface SealedRepository {
  /**
   * Selects the IDs of the keys in use, from the second field of `v1.<key id>.…`.
   * @param exists whether a column exists. Default: all do, as after the migrations.
   */
  selectKeyIds(exists?: (table: string, column: string) => boolean): SelectStatement<{ readonly id: string }>;
  /** Yields every sealed value, table by table. */
  values(): AsyncGenerator<SealedValue>;
  /** Replaces a value with its re-encrypted form. Affects no row if the value has changed since it was read. */
  replace(old: SealedValue, value: string): WriteStatement;
}

/** Every sealed column, and the column that identifies its row: the places that a key rotation visits. */
const SEALED: readonly SealedColumns[] = [
  {
    row: smtpServer.id,
    columns: [...SECRET_NAMES.map((name) => smtpServer[name]), smtpServer.signingKey],
  },
  { row: instance.name, columns: [instance.value] },
  { row: pluginConfig.key, columns: [pluginConfig.sealed] },
  { row: mailContent.id, columns: [mailContent.content] },
  { row: oauthToken.key, columns: [oauthToken.state] },
  { row: oauthGrant.given, columns: [oauthGrant.refreshToken] },
  { row: oauthSignIn.stateHash, columns: [oauthSignIn.codeVerifier] },
];
const ROWS_PER_READ = 100;
/** Some databases take no more selects in one UNION. */
const MAX_UNION_TERMS = 5;
/** A piece of a message has up to 1 MB, and some servers limit a response to 10 MB. */
const PIECES_PER_READ = 5;

/** @param ofPlugins the sealed columns of plugins. */
export function createSealedRepository(
  { read, write }: Database,
  ofPlugins: readonly SealedColumns[] = [],
): SealedRepository {
  const places = [...SEALED, ...ofPlugins].flatMap(({ row, columns }) =>
    columns.map((column) => ({ row, column })),
  );
  const placeOf = (value: Pick<SealedValue, "table" | "column">) =>
    places.find(({ column }) => getTableName(column.table) === value.table && column.name === value.column);
  return {
    selectKeyIds(exists = () => true) {
      const there = places.filter(({ column }) => exists(getTableName(column.table), column.name));
      const idsIn = there.map(({ column }) => {
        const id = sql`substr(${column}, 4, instr(substr(${column}, 4), '.') - 1)`;
        return sql`SELECT ${id} AS id FROM ${column.table} WHERE ${column} <> ''`;
      });
      return read.all<{ readonly id: string }>(unionOf(idsIn));
    },

    async *values() {
      for (const { row, column } of places) {
        const place = { table: getTableName(column.table), column: column.name };
        const limit = column.table === mailContent ? PIECES_PER_READ : ROWS_PER_READ;
        let last = "";
        for (let isMore = true; isMore; ) {
          const rows = await read
            .select({ row, value: column })
            .from(column.table)
            .where(and(ne(column, ""), gt(row, last)))
            .orderBy(asc(row))
            .limit(limit);
          for (const found of rows) {
            last = String(found.row);
            yield { ...place, row: last, value: String(found.value) };
          }
          isMore = rows.length === limit;
        }
      }
    },

    replace(old, value) {
      const place = placeOf(old);
      if (!place) throw new TypeError(`"${old.table}.${old.column}" is not a sealed column`);
      const { row, column } = place;
      return write.run(sql`
        UPDATE ${column.table} SET ${sql.identifier(column.name)} = ${value}
        WHERE ${row} = ${old.row} AND ${column} = ${old.value}`);
    },
  };
}

/** The rows of all these selects of `id`, without duplicates. */
function unionOf(selects: readonly SQL[]): SQL {
  const union = sql` UNION `;
  if (selects.length <= MAX_UNION_TERMS) return sql.join([...selects], union);
  const groups: SQL[] = [];
  for (let at = 0; at < selects.length; at += MAX_UNION_TERMS)
    groups.push(sql`SELECT id FROM (${sql.join(selects.slice(at, at + MAX_UNION_TERMS), union)})`);
  return unionOf(groups);
}
