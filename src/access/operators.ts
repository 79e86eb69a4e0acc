import { timingSafeEqual } from "node:crypto";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { clientNetwork } from "../domain/network.ts";
import {
  MAX_CALL_AGE_SECONDS,
  type OperatorCall,
  parseCredential,
  signedText,
} from "../domain/operator-call.ts";
import { SealpostError } from "../errors.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { createAuditRepository } from "../storage/audit-log.ts";
import { createOperatorNonceRepository } from "../storage/operator-nonces.ts";
import { createRateLimitRepository } from "../storage/rate-limits.ts";
import { assertWithin } from "./rate-limit.ts";

/** As for the login of one admin from one network. */
const MAX_FAILURES = 10;
const WINDOW_SECONDS = 600;
const MINUTE_MS = 60_000;

/** A call that came in, without what its credential says. */
export type IncomingCall = Omit<OperatorCall, "time" | "nonce" | "bodyHash"> & {
  /** `Authorization` of the request. */
  readonly credential: string;
  /** IP address of the client. Empty if it is unknown. */
  readonly client: string;
};

/** Verifies calls that are signed with the operator key. */
interface Operators {
  /**
   * Verifies the signature of a call, that it is new, and then its body. Failures of others do not lock the operator out:
   * the limit is only for calls that fail.
   * @param record the audit row of the call, without who calls; `null` for a part of an earlier one.
   * @param readBody reads the body within its limit. It runs only for a signed call that is new.
   * @throws {SealpostError} `bad_token`, the same for every reason. `too_many_tries` instead, after ten failures from the
   * network of the client in ten minutes. The error of `readBody`.
   */
  verify(
    call: IncomingCall,
    record: (Pick<AuditActor, "action"> & { readonly info: string }) | null,
    readBody: () => Promise<Uint8Array<ArrayBuffer>>,
  ): Promise<VerifiedCall>;
}

/** A call whose signature and body are verified. */
interface VerifiedCall {
  /** Name of the operator in the audit log. */
  readonly administrator: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

export function createOperators(deps: {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly platform: Platform;
}): Operators {
  const { database, keyring, platform } = deps;
  const nonces = createOperatorNonceRepository(database);
  const rateLimits = createRateLimitRepository(database);
  const audit = createAuditRepository(database);

  /** Returns the credential if its signature and its time are right. */
  async function authenticate(call: IncomingCall, now: Date) {
    const credential = parseCredential(call.credential);
    if (credential === null || !keyring.ids.includes(credential.keyId)) return null;
    const { time, nonce, bodyHash, signature, keyId } = credential;
    if (Math.abs(now.getTime() / 1_000 - time) > MAX_CALL_AGE_SECONDS) return null;
    const text = new TextEncoder().encode(signedText({ ...call, bodyHash, time, nonce }));
    // Compares in constant time.
    const isSigned = await crypto.subtle.verify("HMAC", await keyring.operatorKey(keyId), signature, text);
    return isSigned ? credential : null;
  }

  async function reject({ client }: IncomingCall, now: Date): Promise<never> {
    const limit = limitOf(client);
    // Over the limit, a call writes nothing.
    const [windows] = await database.commit([rateLimits.windows([limit])]);
    assertWithin([limit], windows, now);
    const actor = {
      action: "operator",
      administrator: "",
      realm: "",
      client,
      policies: "",
      requestId: "",
    };
    const entry = auditEntry(actor, now, { success: false, info: "bad_token" });
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    await database.commit([rateLimits.consume(limit, now), audit.count(entry, `${limit.key} ${minute}`)]);
    throw new SealpostError(
      "bad_token",
      "Authentication failure. The signature of the operator is not valid",
    );
  }

  return {
    async verify(call, record, readBody) {
      const now = platform.now();
      const credential = await authenticate(call, now);
      if (credential === null) return reject(call, now);
      // Before the body, so that a repeated call takes no memory. The many parts of a backup do not prune.
      const [used] = await database.commit([
        nonces.use(credential.nonce, now),
        ...(record === null ? [] : [nonces.prune(now)]),
      ]);
      if (used.rowsAffected === 0) return reject(call, now);
      const body = await readBody();
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
      if (!timingSafeEqual(hash, Uint8Array.fromHex(credential.bodyHash))) return reject(call, now);
      const administrator = `operator key ${credential.keyId}`;
      if (record !== null) {
        const { action, info } = record;
        const { client } = call;
        const actor = { action, administrator, realm: "", client, policies: "", requestId: "" };
        await database.append(audit.insert(auditEntry(actor, now, { success: true, info })));
      }
      return { administrator, body };
    },
  };
}

function limitOf(client: string) {
  const network = client === "" ? "unknown" : clientNetwork(client);
  return { key: `operator:${network}`, max: MAX_FAILURES, windowSeconds: WINDOW_SECONDS };
}
