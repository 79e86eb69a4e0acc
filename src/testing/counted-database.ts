import type { Database } from "../contracts/database.ts";
import { type Connection, LibsqlDatabase } from "../storage/libsql-database.ts";
import { connectLimited } from "./limited-database.ts";

/** The operations of a request on a database server. Each takes one round trip. */
export interface RoundTrips {
  readonly reads: number;
  readonly commits: number;
}

/** Creates a database in memory that counts its operations. */
export function countedDatabase(): { readonly database: Database; readonly count: () => RoundTrips } {
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const connections = connectLimited({ randomBytes });
  const counts = { reads: 0, commits: 0 };
  const counted = (what: keyof RoundTrips, inner: Connection): Connection => ({
    run(operation, options) {
      counts[what]++;
      return inner.run(operation, options);
    },
    close: () => inner.close(),
  });
  const database = new LibsqlDatabase({
    ...connections,
    // A file is not read again until it changes. A database server is.
    kind: "remote",
    reader: counted("reads", connections.reader),
    writer: counted("commits", connections.writer),
  });
  return { database, count: () => ({ ...counts }) };
}
