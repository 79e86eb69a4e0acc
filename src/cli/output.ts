/** The result of a command. */
export interface Output {
  /** Printed with `--json`. */
  readonly json: unknown;
  /** Printed otherwise. */
  readonly lines: readonly string[];
  /** Printed on standard error, so that they do not mix with the result. */
  readonly warnings?: readonly string[] | undefined;
  /** Whether the command did not reach what it was to do. Default: false. */
  readonly isFailure?: boolean;
}

/** A cell of a table: a value as the API has it. */
type Cell = unknown;

const GAP = "  ";
const CUT = "…";
const EMPTY = "-";

/** Prints the result of a command and sets the exit code. */
export function show({ json, lines, warnings = [], isFailure = false }: Output, asJson = false): void {
  for (const warning of warnings) process.stderr.write(`${printable(warning)}\n`);
  if (asJson) print(JSON.stringify(json, null, 2));
  else if (lines.length > 0) print(...lines.map(printable));
  if (isFailure) process.exitCode = 1;
}

export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

/**
 * Returns the lines of a table with aligned columns. On a terminal, lines are cut at its width.
 * @returns nothing without rows, so that a script counts lines.
 */
export function table(
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  width = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string[] {
  if (rows.length === 0) return [];
  const cells = [heads, ...rows.map((row) => row.map(textOf))];
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => lengthOf(row[column] ?? ""))));
  return cells.map((row) => {
    const padded = row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - lengthOf(cell)));
    return cut(padded.join(GAP).trimEnd(), width);
  });
}

/** Replaces control characters, so that text from elsewhere cannot control the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\ufffd");
}

function textOf(cell: Cell): string {
  if (Array.isArray(cell)) return textOf(cell.map(textOf).join(","));
  if (cell === null || cell === undefined || cell === "") return EMPTY;
  if (typeof cell === "object") return printable(JSON.stringify(cell));
  const [first = "", ...more] = String(cell).split(/\r?\n/);
  return printable(more.length > 0 ? `${first} ${CUT}` : first);
}

function cut(line: string, width: number): string {
  return lengthOf(line) <= width ? line : `${[...line].slice(0, width - 1).join("")}${CUT}`;
}

function lengthOf(text: string): number {
  return [...text].length;
}
