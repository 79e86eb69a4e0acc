import { type AnyColumn, and, type SQL, sql } from "drizzle-orm";

/**
 * Whether a column matches a pattern, as an expression: `*` stands for any characters, and the case of ASCII letters does
 * not matter. Every other character stands for itself, and the pattern may be of any length.
 * @example
 * ```ts
 * const found = await read.select().from(token).where(matchesPattern(token.serial, "mail*"));
 * ```
 */
export function matchesPattern(column: AnyColumn, pattern: string): SQL {
  // LIKE would take 50 bytes at most in a Durable Object.
  const [first = "", ...others] = lowerCase(pattern).split("*");
  const last = others.pop();
  const text = sql`lower(${column})`;
  if (last === undefined) return sql`${text} = ${first}`;
  const [atStart, atEnd] = [lengthOf(first), lengthOf(last)];
  const between = sql`substr(${text}, ${atStart + 1}, length(${column}) - ${atStart + atEnd})`;
  return (
    and(
      sql`length(${column}) >= ${atStart + atEnd}`,
      first === "" ? undefined : sql`substr(${text}, 1, ${atStart}) = ${first}`,
      last === "" ? undefined : sql`substr(${text}, ${-atEnd}) = ${last}`,
      containsInOrder(
        between,
        others.filter((part) => part !== ""),
      ),
    ) ?? sql`TRUE`
  );
}

/**
 * Whether a column has one of these values, as an expression: `inArray` for a list of any length. It holds for no row if
 * the list is empty.
 * @example
 * ```ts
 * await commit([write.delete(token).where(isOneOf(token.serial, serials))]);
 * ```
 */
export function isOneOf(column: AnyColumn, values: readonly string[]): SQL {
  // One parameter, because some databases take no more than 100.
  return sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}

/** Whether a text contains these, one after the other. Each one takes the first place after the one before it. */
function containsInOrder(text: SQL, [first, ...others]: readonly string[]): SQL | undefined {
  if (first === undefined) return undefined;
  if (others.length === 0) return sql`instr(${text}, ${first}) > 0`;
  const parts = [first, ...others];
  return sql`EXISTS (
    WITH RECURSIVE found (parts, rest) AS (
      SELECT 0, ${text}
      UNION ALL
      SELECT parts + 1, substr(rest, instr(rest, part.value) + length(part.value))
      FROM found JOIN json_each(${JSON.stringify(parts)}) AS part ON part.key = parts
      WHERE instr(rest, part.value) > 0
    )
    SELECT 1 FROM found WHERE parts = ${parts.length})`;
}

/** As `lower()` of SQLite does it. */
function lowerCase(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The length in characters, as SQLite counts them. */
function lengthOf(text: string): number {
  return [...text].length;
}
