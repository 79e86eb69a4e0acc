/**
 * `sealpost/driver`, for authors of drivers: the contracts of transports, wakes and databases, and their vocabulary.
 * @example
 * ```ts
 * import { NOTHING_SEEN, type Transport } from "sealpost/driver";
 *
 * export const discard: Transport = {
 *   name: "discard",
 *   async send() {
 *     const report = { timingMs: {}, tls: null, roundTrips: 0, seen: NOTHING_SEEN };
 *     return { successful: true, reply: null, reached: null, ...report };
 *   },
 *   async [Symbol.asyncDispose]() {},
 * };
 * ```
 * @module
 */

export type { Database } from "./contracts/database.ts";
export { type HttpClient, HttpError } from "./contracts/http-client.ts";
export type { Platform } from "./contracts/platform.ts";
export {
  type Connect,
  ConnectError,
  type Delivery,
  type JointDelivery,
  type JointTransport,
  type Transport,
} from "./contracts/transport.ts";
export type { Wake, WakeSource } from "./contracts/wake.ts";
export {
  type Failure,
  type FailureCode,
  NOTHING_SEEN,
  type Phase,
  type Receipt,
  type ServerReport,
  type SmtpReply,
  type TlsPeer,
} from "./domain/delivery.ts";
export { Secret } from "./domain/secret.ts";
export type { ConnectionSettings, ResolvedServer } from "./domain/smtp-server.ts";
export { type Keyring, parseKeyring } from "./secrets/keyring.ts";
export type { Drivers } from "./services.ts";
export type { Drain, InvocationDrains } from "./work.ts";
