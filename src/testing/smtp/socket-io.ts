import type { ServerStep } from "./options.ts";
import type { Rejection } from "./policy.ts";

/** Functions to call when the first reply of a step is complete, by the first digit of its code. */
export type Effects = Readonly<Partial<Record<"2" | "3", () => void>>>;

/** The connection as its session sees it. */
export interface SocketIo {
  readonly isTls: boolean;
  /** IP address of the client. */
  readonly client: string;
  /** Bursts of input so far. */
  readonly flights: number;
  /** Adds a reply. */
  reply(...lines: readonly string[]): void;
  reject(rejection: Rejection): void;
  /** Replies to a step by the script or by `proper`. The reply's code decides which effect is called. */
  perform(step: ServerStep, proper: () => void, effects?: Effects): void;
  hasScript(step: ServerStep): boolean;
  /** Reads up to `CRLF.CRLF` next. */
  readBody(onBody: (bytes: Uint8Array) => void): void;
  /** Reads a number of octets next. */
  readChunk(octets: number, onChunk: (bytes: Uint8Array) => void): void;
  startTls(): void;
  end(): void;
}
