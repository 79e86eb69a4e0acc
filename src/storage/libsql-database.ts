import type { BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import type { CommitOptions, Database, DatabaseKind, Statement } from "./database.ts";
import { drizzleOver } from "./drizzle.ts";
import type { Connection } from "./guard.ts";

/** The ways to one database; a reader and a writer may be the same. */
export interface Connections {
  readonly kind: DatabaseKind;
  readonly reader: Connection;
  readonly writer: Connection;
  /** Makes what inserts rows that depend on nothing, those of several callers in one commit. */
  readonly makeAppender: (commit: (statements: readonly Statement[]) => Promise<unknown>) => Appender;
}

export interface Appender {
  /** Resolves when the commit of these statements is durable; rejects with their own error only. */
  append(statements: readonly Statement[]): Promise<void>;
  /** Resolves when everything appended so far is settled. */
  drain(): Promise<void>;
}

/** The database of the repositories, over the connections of a driver. */
export class LibsqlDatabase implements Database {
  readonly kind: DatabaseKind;
  readonly read: LibSQLDatabase;
  readonly write: LibSQLDatabase;
  /** Like `write`, ahead of what waits there. */
  readonly #urgent: LibSQLDatabase;
  readonly #connections: Connections;
  readonly #appender: Appender;

  constructor(connections: Connections) {
    this.kind = connections.kind;
    this.#connections = connections;
    this.read = drizzleOver(connections.reader, "read");
    this.write = drizzleOver(connections.writer, "write");
    this.#urgent = drizzleOver(ahead(connections.writer), "write");
    this.#appender = connections.makeAppender((statements) => this.commit(statements));
  }

  commit<const T extends readonly Statement[]>(
    statements: T,
    options?: CommitOptions,
  ): Promise<BatchResponse<T>>;
  async commit(
    statements: readonly Statement[],
    { isUrgent = false }: CommitOptions = {},
  ): Promise<readonly unknown[]> {
    const [first, ...rest] = statements;
    if (first === undefined) return [];
    return (isUrgent ? this.#urgent : this.write).batch([first, ...rest]);
  }

  append(...statements: readonly Statement[]): Promise<void> {
    return this.#appender.append(statements);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#appender.drain();
    // The writer last: a reader would keep it from moving the log into the file.
    await this.#connections.reader.close();
    await this.#connections.writer.close();
  }
}

function ahead(connection: Connection): Connection {
  return {
    run: (operation) => connection.run(operation, { isUrgent: true }),
    close: () => connection.close(),
  };
}
