import { describe, expect, test } from "bun:test";
import { isBusy, isConstraintError, localError, openError, remoteError } from "../../src/storage/errors.ts";

const failed = (code: string) => Object.assign(new Error("from the driver"), { code });

describe("localError()", () => {
  test.each([
    ["SQLITE_BUSY", "busy", 1],
    ["SQLITE_BUSY_SNAPSHOT", "busy", 1],
    ["SQLITE_LOCKED", "busy", 1],
    ["SQLITE_FULL", "full", 30],
    ["SQLITE_READONLY", "cannot be written", 30],
    ["SQLITE_READONLY_DIRECTORY", "cannot be written", 30],
    ["SQLITE_CANTOPEN", "cannot be opened", 30],
    ["SQLITE_NOTADB", "not a database", 30],
    ["SQLITE_CORRUPT", "damaged", 30],
    ["SQLITE_IOERR_WRITE", "disk", 30],
  ])("explains %s and keeps it as the cause", (code, words, retryAfterSeconds) => {
    const cause = failed(code);
    expect(localError(cause)).toMatchObject({ code: "database_unavailable", retryAfterSeconds, cause });
    expect(String(localError(cause))).toContain(words);
  });

  test.each(["SQLITE_CONSTRAINT", "SQLITE_ERROR", "SQLITE_MISMATCH", ""])("leaves %p as it is", (code) => {
    const error = failed(code);
    expect(localError(error)).toBe(error);
  });
});

test("openError() treats an error without a code as a file that does not open", () => {
  expect(String(openError(failed("")))).toContain("cannot be opened");
  expect(String(openError(failed("SQLITE_NOTADB")))).toContain("not a database");
});

test("remoteError() keeps an SQL error of the server and treats any other as an unavailable server", () => {
  for (const code of ["SQLITE_CONSTRAINT_UNIQUE", "SQL_PARSE_ERROR", "SQLITE_UNKNOWN"]) {
    const error = failed(code);
    expect(remoteError(error)).toBe(error);
  }
  for (const code of ["SERVER_ERROR", "HRANA_CLOSED_ERROR", "ECONNREFUSED", ""]) {
    expect(remoteError(failed(code))).toMatchObject({ code: "database_unavailable" });
  }
  expect(remoteError(failed("SQLITE_BUSY"))).toMatchObject({ retryAfterSeconds: 1 });
});

test("isConstraintError() and isBusy() recognize primary and extended codes, and nothing else", () => {
  expect(["SQLITE_CONSTRAINT", "SQLITE_CONSTRAINT_UNIQUE"].map(failed).map(isConstraintError)).toEqual([
    true,
    true,
  ]);
  expect(["SQLITE_BUSY", "SQLITE_ERROR", ""].map(failed).map(isConstraintError)).toEqual([
    false,
    false,
    false,
  ]);
  expect(["SQLITE_BUSY_RECOVERY", "SQLITE_CONSTRAINT"].map(failed).map(isBusy)).toEqual([true, false]);
  expect(isConstraintError("SQLITE_CONSTRAINT")).toBe(false);
});
