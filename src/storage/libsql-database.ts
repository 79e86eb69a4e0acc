import type { BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import type { CommitOptions, Database, DatabaseKind, Statement } from "../contracts/database.ts";
import type { Connection } from "./connection.ts";
import { drizzleOver } from "./drizzle.ts";
import {
  assertOwnChanges,
  createGroupCommit,
  execute,
  type GroupCommit,
  type GroupCommitOptions,
} from "./group-commit.ts";
import { prepareStatement } from "./prepare.ts";

/** The connections to one database. Reader and writer may be the same. */
export interface Connections {
  readonly kind: DatabaseKind;
  readonly reader: Connection;
  readonly writer: Connection;
  readonly groupCommit: GroupCommitOptions;
}

/** The database that repositories use, over the connections of a driver. */
export class LibsqlDatabase implements Database {
  readonly kind: DatabaseKind;
  readonly read: LibSQLDatabase;
  readonly write: LibSQLDatabase;
  readonly prepare = prepareStatement;
  /** Like `write`, but before waiting commits. */
  readonly #urgent: LibSQLDatabase;
  readonly #connections: Connections;
  readonly #groupCommit: GroupCommit;

  constructor(connections: Connections) {
    const { kind, reader, writer, groupCommit } = connections;
    this.kind = kind;
    this.#connections = connections;
    this.#groupCommit = createGroupCommit(writer, groupCommit);
    this.read = drizzleOver((statements) => reader.run((client) => execute(client, statements, "read")));
    this.write = this.#writing({ isUrgent: false });
    this.#urgent = this.#writing({ isUrgent: true });
  }

  changeMark = (): string | null => this.#connections.reader.changeMark?.() ?? null;

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

  async append(...statements: readonly Statement[]): Promise<void> {
    await this.commit(statements);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#groupCommit.drain();
    // Close the writer last: an open reader would keep it from moving the log into the file.
    await this.#connections.reader.close();
    await this.#connections.writer.close();
  }

  #writing(options: Required<CommitOptions>): LibSQLDatabase {
    return drizzleOver((statements) => {
      assertOwnChanges(statements);
      return this.#groupCommit.run(statements, options);
    });
  }
}
