import { text } from "node:stream/consumers";
import { ApiError } from "./api.ts";

let isRead = false;

/** Returns all of standard input. @throws {ApiError} if another option has read it. */
export async function readInput(): Promise<string> {
  if (isRead) throw new ApiError("Only one option can read standard input: see SEALPOST_API_KEY for the key");
  isRead = true;
  return text(process.stdin);
}

/** Returns the first line of standard input; empty if there is none. */
export async function readFirstLine(): Promise<string> {
  const [line = ""] = (await readInput()).split(/\r?\n/);
  return line;
}
