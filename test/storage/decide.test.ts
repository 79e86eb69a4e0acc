import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { SealpostError } from "../../src/errors.ts";
import { decide } from "../../src/storage/decide.ts";
import {
  abandonedError,
  busyError,
  closedError,
  fileGoneError,
  localError,
  openError,
  remoteError,
} from "../../src/storage/errors.ts";
import { openEmptyDatabase } from "../fixtures/database.ts";
import { realRandomBytes } from "../fixtures/instance.ts";

const failed = (code: string) => Object.assign(new Error("from the driver"), { code });

/** Decides by a commit that rejects with this error, while the database has a verdict. */
async function decideAfter(error: unknown) {
  await using database = openEmptyDatabase({ randomBytes: realRandomBytes });
  let commits = 0;
  const commit = async () => {
    commits++;
    throw error;
  };
  const verdict = database.read.select({ one: sql<number>`1` }).from(sql`(SELECT 1)`);
  const write = database.write.run(sql`DELETE FROM nothing`);
  const outcome = await decide({ read: database.read, commit }, [write], verdict).catch(() => "rejected");
  expect(commits).toBe(1);
  return outcome;
}

test("decide() reads the verdict of a commit whose response may be lost", async () => {
  for (const error of [remoteError(failed("ECONNRESET")), remoteError(failed("")), abandonedError()]) {
    expect(await decideAfter(error)).toEqual({ results: null, verdict: [{ one: 1 }] });
  }
});

test("decide() recognizes a lost response by its error, wrapped or not, and never by the message", async () => {
  const lost = abandonedError();
  const wrapped = new Error("The plugin cannot confirm", { cause: new Error("in between", { cause: lost }) });
  expect(await decideAfter(wrapped)).toEqual({ results: null, verdict: [{ one: 1 }] });
  expect(await decideAfter(new SealpostError("database_unavailable", lost.message))).toBe("rejected");
});

test("decide() reads nothing after a commit that the database rejected or that never started", async () => {
  const rejected = ["SQLITE_BUSY", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CORRUPT"].map(failed);
  const overloaded = Object.assign(failed("SERVER_ERROR"), {
    cause: Object.assign(failed(""), { status: 429 }),
  });
  const unstarted = [
    busyError(),
    closedError(),
    fileGoneError(),
    openError(failed("")),
    remoteError(overloaded),
  ];
  for (const error of [...rejected.map(localError), ...rejected.map(remoteError), ...unstarted]) {
    expect(await decideAfter(error)).toBe("rejected");
  }
});
