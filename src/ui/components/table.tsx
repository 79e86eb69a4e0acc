import type { ComponentChildren } from "preact";

interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => ComponentChildren;
  /** Class of its cells. */
  readonly kind?: "wide" | "number" | "buttons";
}

interface TableProps<T> {
  /** A name for the rows, which screen readers read. */
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string | number;
}

/** Without them, browsers take a table whose layout CSS changes for a list of boxes. */
const ROLES = {
  table: { role: "table" },
  rowgroup: { role: "rowgroup" },
  row: { role: "row" },
  columnheader: { role: "columnheader" },
  rowheader: { role: "rowheader" },
  cell: { role: "cell" },
} as const;

/** A table whose rows become cards where it is narrow. The first cell is the header of its row. */
export function Table<T>({ caption, columns, rows, keyOf }: TableProps<T>) {
  return (
    <table class="listing" {...ROLES.table}>
      <caption class="visually-hidden">{caption}</caption>
      <thead {...ROLES.rowgroup}>
        <tr {...ROLES.row}>
          {columns.map(({ head, kind }) => (
            <th key={head} scope="col" {...ROLES.columnheader} class={kind}>
              {kind === "buttons" ? <span class="visually-hidden">{head}</span> : head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody {...ROLES.rowgroup}>
        {rows.map((row) => (
          <tr key={keyOf(row)} {...ROLES.row}>
            {columns.map(({ head, cell, kind }, index) =>
              index === 0 ? (
                <th key={head} scope="row" {...ROLES.rowheader} class={kind}>
                  {cell(row)}
                </th>
              ) : (
                <td key={head} {...ROLES.cell} class={kind} data-head={kind === "buttons" ? undefined : head}>
                  {cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface FactsProps {
  /** Names with their values. */
  readonly facts: readonly (readonly [name: string, value: ComponentChildren])[];
}

/** Values with their names. */
export function Facts({ facts }: FactsProps) {
  return (
    <dl class="fact-list">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
