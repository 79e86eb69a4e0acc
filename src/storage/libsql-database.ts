import type { BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import type { Database, Statement } from "./database.ts";
import { drizzleOver } from "./drizzle.ts";
import type { Connection } from "./guard.ts";
import { GroupWriter } from "./writer.ts";

/** The ways to one database; a reader and a writer may be the same. */
export interface Connections {
  readonly reader: Connection;
  readonly writer: Connection;
  /** Whether one caller's commit may carry another caller's rows. */
  readonly grouping: boolean;
}

/** The database of the repositories, over the connections of a driver. */
export class LibsqlDatabase implements Database {
  readonly read: LibSQLDatabase;
  readonly write: LibSQLDatabase;
  readonly #connections: Connections;
  readonly #group: GroupWriter | null;

  constructor(connections: Connections) {
    this.#connections = connections;
    this.read = drizzleOver(connections.reader, "read");
    this.write = drizzleOver(connections.writer, "write");
    this.#group = connections.grouping ? new GroupWriter((statements) => this.commit(statements)) : null;
  }

  commit<const T extends readonly Statement[]>(statements: T): Promise<BatchResponse<T>>;
  async commit(statements: readonly Statement[]): Promise<readonly unknown[]> {
    const [first, ...rest] = statements;
    return first === undefined ? [] : await this.write.batch([first, ...rest]);
  }

  async append(statement: Statement): Promise<void> {
    await (this.#group?.append(statement) ?? this.commit([statement]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group?.drain();
    // The writer last: a reader would keep it from moving the log into the file.
    await this.#connections.reader.close();
    await this.#connections.writer.close();
  }
}
