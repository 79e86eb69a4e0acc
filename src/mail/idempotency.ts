import type { Database, DatabaseKind, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { CLOCK_TOLERANCE_MS } from "../domain/clock.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import { type IdempotencyRepository, RESERVED, STARTED } from "../storage/idempotency.ts";

/** Time for which a key returns the first response. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;
/** Age from which a reservation belongs to an interrupted call: that of a worker's expired lease. */
const RESERVED_MS: Readonly<Record<DatabaseKind, number>> = { local: 20_000, remote: 30_000 };

const KEY = /^[\x20-\x7e]{1,255}$/;

/** A call that must not be made twice. */
interface IdempotentCall {
  /** Two callers may use the same key in their own scopes. */
  readonly scope: string;
  /** 1–255 characters of printable ASCII. */
  readonly key: string;
  /** The subject of the call. A call with other content under the same key is rejected. */
  readonly content: string;
}

/** A key that a call has reserved. */
export interface ReservedKey {
  /** Returns the statement that stores the response for later calls, to be committed with what the call does. */
  complete(response: unknown): Statement;
  /** Returns the statement that releases the key of a call that has done nothing. */
  release(): Statement;
}

/** Calls with an idempotency key: the first is made, and the others get its response. */
export interface Idempotency {
  /**
   * Reserves the key, or returns the response of the call that reserved it before.
   * @param state `STARTED` if the call immediately does what must not be done twice, so that an interrupted call keeps
   * the key. `RESERVED` if one commit at its end does everything; then the key is free again after some seconds.
   * @throws {SealpostError} `conflict` if that call had other content, or its response is not known (a process that died
   * leaves it so); `invalid_parameter` for an invalid key.
   */
  reserve(
    call: IdempotentCall,
    state: typeof RESERVED | typeof STARTED,
  ): Promise<ReservedKey | { readonly response: string }>;
}

interface IdempotencyDeps {
  readonly database: Database;
  readonly repository: IdempotencyRepository;
  /** A keyed hash. The content may include a password, which a plain hash would let an attacker guess. */
  readonly mac: (text: string) => Promise<string>;
  readonly platform: Pick<Platform, "now">;
}

export function createIdempotency(deps: IdempotencyDeps): Idempotency {
  const { database, repository, mac, platform } = deps;
  return {
    async reserve({ scope, key, content }, state) {
      if (!KEY.test(key)) throw invalidParameter("Idempotency-Key", "expected 1 to 255 characters of ASCII");
      const hash = await mac(JSON.stringify(["idempotency", content]));
      const now = platform.now();
      const row = { scope, key, content: hash, answer: state, createdAt: now };
      const before = (spanMs: number) => new Date(now.getTime() - spanMs);
      const [reserved] = await database.commit([
        repository.reserve(row, {
          ended: before(IDEMPOTENCY_MS),
          reserved: before(RESERVED_MS[database.kind]),
          future: before(-CLOCK_TOLERANCE_MS),
        }),
      ]);
      if (reserved.rowsAffected > 0) {
        return {
          complete: (response) => repository.complete(scope, key, JSON.stringify(response)),
          release: () => repository.release(row),
        };
      }
      const first = await repository.find(scope, key);
      if (first?.content !== hash) throw conflict("was used for a different request: use a new key");
      if (first.answer === RESERVED || first.answer === STARTED) {
        throw conflict("is in use by a request that has no response yet: try again later");
      }
      return { response: first.answer };
    },
  };
}

function conflict(problem: string): SealpostError {
  return new SealpostError("conflict", `This Idempotency-Key ${problem}`, { parameter: "Idempotency-Key" });
}
