import { and, asc, getTableName, gt, ne, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import type { SealedColumns } from "../contracts/plugin/secrets.ts";
import { SECRET_NAMES } from "../domain/smtp-server.ts";
import { prepareFor, STATEMENTS } from "./drizzle.ts";
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

interface KeyIdRow {
  readonly id: string;
}

/** All sealed values of the database. */
export interface SealedRepository {
  /** Selects the IDs of the keys in use, from the second field of `v1.<key id>.…`. All migrations have to be applied. */
  selectKeyIds(): RowsStatement<KeyIdRow>;
  /**
   * Returns them.
   * @param exists whether a column exists. Default: all do.
   * @param nameOf returns the name of the table that has the rows. Default: the same.
   */
  listKeyIds(
    exists?: (table: string, column: string) => boolean,
    nameOf?: (table: string) => string,
  ): Promise<readonly KeyIdRow[]>;
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

const selectAllKeyIds = prepareFor((ofPlugins: readonly SealedColumns[]) =>
  STATEMENTS.all<KeyIdRow>(keyIdsOf(placesOf(ofPlugins))),
);
/** In place of none, so that each instance has the same. */
const NONE: readonly SealedColumns[] = [];

/** @param ofPlugins the sealed columns of plugins. */
export function createSealedRepository(
  { read, write }: Database,
  ofPlugins: readonly SealedColumns[] = NONE,
): SealedRepository {
  const places = placesOf(ofPlugins);
  const placeOf = (value: Pick<SealedValue, "table" | "column">) =>
    places.find(({ column }) => getTableName(column.table) === value.table && column.name === value.column);
  return {
    selectKeyIds: () => selectAllKeyIds(ofPlugins),

    async listKeyIds(exists = () => true, nameOf) {
      const there = places.filter(({ column }) => exists(getTableName(column.table), column.name));
      return there.length === 0 ? [] : read.all<KeyIdRow>(keyIdsOf(there, nameOf));
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

interface SealedPlace {
  readonly row: SQLiteColumn;
  readonly column: SQLiteColumn;
}

function placesOf(ofPlugins: readonly SealedColumns[]): readonly SealedPlace[] {
  return [...SEALED, ...ofPlugins].flatMap(({ row, columns }) => columns.map((column) => ({ row, column })));
}

function keyIdsOf(places: readonly SealedPlace[], nameOf = (table: string) => table): SQL {
  const values = places.map(({ column: { name, table } }) => {
    const from = sql.identifier(nameOf(getTableName(table)));
    return sql`SELECT ${sql.identifier(name)} AS value FROM ${from}`;
  });
  return sql`SELECT DISTINCT substr(value, 4, instr(substr(value, 4), '.') - 1) AS id
    FROM (${unionOf(values)}) WHERE value <> ''`;
}

/** The rows of all these selects of `value`. */
function unionOf(selects: readonly SQL[]): SQL {
  const union = sql` UNION ALL `;
  if (selects.length <= MAX_UNION_TERMS) return sql.join([...selects], union);
  const groups: SQL[] = [];
  for (let at = 0; at < selects.length; at += MAX_UNION_TERMS)
    groups.push(sql`SELECT value FROM (${sql.join(selects.slice(at, at + MAX_UNION_TERMS), union)})`);
  return unionOf(groups);
}
