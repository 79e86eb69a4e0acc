import { resultCode } from "./errors.ts";

export type {
  BoundStatement,
  CommitOptions,
  Database,
  DatabaseKind,
  PrepareStatement,
  Statement,
} from "../contracts/database.ts";

/** Whether a write was refused by a UNIQUE, PRIMARY KEY, NOT NULL, CHECK or FOREIGN KEY constraint. */
export function isConstraintError(error: unknown): boolean {
  return resultCode(error) === "SQLITE_CONSTRAINT";
}
