import type { Database, DatabaseKind, Statement, WriteStatement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { CLOCK_TOLERANCE_MS } from "../domain/clock.ts";
import { asRejection, invalidParameter, SealpostError } from "../errors.ts";
import { decide } from "../storage/decide.ts";
import {
  type IdempotencyRepository,
  type IdempotencyRow,
  RESERVED,
  STARTED,
} from "../storage/idempotency.ts";

/** Time for which a key returns the first response. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;
/** Age from which a reservation belongs to an interrupted call: that of a worker's expired lease. */
const RESERVED_MS: Readonly<Record<DatabaseKind, number>> = { local: 20_000, remote: 30_000 };

const OWNER_BYTES = 16;
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
  /**
   * Returns the statement that stores the response for later calls, to be committed with what the call does. In state
   * `RESERVED`, that commit fails if another call has taken over the key (see `isKeyTaken`).
   */
  complete(response: unknown): Statement;
  /** Returns the statement that releases the key of a call that has done nothing. */
  release(): Statement;
}

/** A key that is the caller's now, or the response of the call that had it before. */
export type Reservation = ReservedKey | { readonly response: string };

/** Calls with an idempotency key: the first is made, and the others get its response. */
export interface Idempotency {
  /**
   * Reserves the key, or returns the response of the call that reserved it before.
   * @param state `STARTED` if the call immediately does what must not be done twice, so that an interrupted call keeps
   * the key. `RESERVED` if one commit at its end does everything; then the key is free again after some seconds.
   * @throws {SealpostError} `conflict` if that call had other content, or its response is not known (a process that died
   * leaves it so); `invalid_parameter` for an invalid key.
   */
  reserve(call: IdempotentCall, state: typeof RESERVED | typeof STARTED): Promise<Reservation>;
  /** Reserves several keys in one commit, in state `RESERVED`. A key that cannot be reserved has its error. */
  reserveAll(calls: readonly IdempotentCall[]): Promise<readonly (Reservation | SealpostError)[]>;
}

interface IdempotencyDeps {
  readonly database: Database;
  readonly repository: IdempotencyRepository;
  /** A keyed hash. The content may include a password, which a plain hash would let an attacker guess. */
  readonly mac: (text: string) => Promise<string>;
  readonly platform: Pick<Platform, "now" | "randomBytes">;
}

export function createIdempotency(deps: IdempotencyDeps): Idempotency {
  const { database, repository, mac, platform } = deps;

  /**
   * Returns the row of a call that is under way. Its content ends with an owner, which no other call has.
   * @throws {SealpostError} `invalid_parameter`.
   */
  async function rowOf({ scope, key, content }: IdempotentCall, state: string): Promise<IdempotencyRow> {
    if (!KEY.test(key)) throw invalidParameter("Idempotency-Key", "expected 1 to 255 characters of ASCII");
    const owner = platform.randomBytes(OWNER_BYTES).toHex();
    return {
      scope,
      key,
      content: `${await mac(JSON.stringify(["idempotency", content]))} ${owner}`,
      answer: state,
      createdAt: platform.now(),
    };
  }

  function reserving(row: IdempotencyRow): WriteStatement {
    const before = (spanMs: number) => new Date(row.createdAt.getTime() - spanMs);
    return repository.reserve(row, {
      ended: before(IDEMPOTENCY_MS),
      reserved: before(RESERVED_MS[database.kind]),
      future: before(-CLOCK_TOLERANCE_MS),
    });
  }

  /** @throws {SealpostError} `conflict`. */
  async function reservation(row: IdempotencyRow, isReserved: boolean): Promise<Reservation> {
    const { scope, key } = row;
    const [content = ""] = row.content.split(" ");
    if (isReserved) {
      return {
        complete: (response) =>
          repository.complete({ ...row, content, answer: JSON.stringify(response) }, row, {
            // The record of a message that was sent must be stored even then.
            failsIfTaken: row.answer === RESERVED,
          }),
        release: () => repository.release(row),
      };
    }
    const first = await repository.find(scope, key);
    if (first?.content.split(" ")[0] !== content)
      throw conflict("was used for a different request: use a new key");
    if (first.answer === RESERVED || first.answer === STARTED) {
      throw conflict("is in use by a request that has no response yet: try again later");
    }
    return { response: first.answer };
  }

  return {
    async reserve(call, state) {
      const row = await rowOf(call, state);
      // An older call may be one whose key this one takes over.
      const since = new Date(row.createdAt.getTime() - RESERVED_MS[database.kind]);
      const holder = repository.holder({ ...row, createdAt: since });
      const { results, verdict } = await decide(database, [reserving(row)], holder);
      if (results === null) return reservation(row, verdict[0]?.content === row.content);
      const [reserved] = results as readonly [{ readonly rowsAffected: number }];
      return reservation(row, reserved.rowsAffected > 0);
    },

    async reserveAll(calls) {
      const rows = await Promise.all(calls.map((call) => rowOf(call, RESERVED).catch(asRejection)));
      const valid = rows.filter((row): row is IdempotencyRow => !(row instanceof SealpostError));
      const results = valid.length === 0 ? [] : await database.commit(valid.map(reserving));
      const isReserved = new Map(valid.map((row, index) => [row, (results[index]?.rowsAffected ?? 0) > 0]));
      const found: (Reservation | SealpostError)[] = [];
      for (const row of rows) {
        const reserved = row instanceof SealpostError ? row : reservation(row, isReserved.get(row) ?? false);
        found.push(await Promise.resolve(reserved).catch(asRejection));
      }
      return found;
    },
  };
}

function conflict(problem: string): SealpostError {
  return new SealpostError("conflict", `This Idempotency-Key ${problem}`, { parameter: "Idempotency-Key" });
}
