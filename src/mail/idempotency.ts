import type { Database, DatabaseKind, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { CLOCK_TOLERANCE_MS } from "../domain/clock.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import { type IdempotencyRepository, RESERVED, STARTED } from "../storage/idempotency.ts";

/** How long a key stands for its first answer. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;
/** A call that has done nothing for so long was cut off: as long as what a worker leaves behind is untouched. */
const RESERVED_MS: Readonly<Record<DatabaseKind, number>> = { local: 20_000, remote: 30_000 };

const KEY = /^[\x20-\x7e]{1,255}$/;

/** A call that must not be made twice. */
export interface IdempotentCall {
  /** Whose keys these are: two callers may use the same. */
  readonly scope: string;
  /** 1–255 characters of printable ASCII. */
  readonly key: string;
  /** What the call is about; another content under the same key is refused. */
  readonly content: string;
}

/** A key that was taken. */
export interface ReservedKey {
  /** Keeps the answer, which later calls of the same key get; to be committed with what the call does. */
  complete(response: unknown): Statement;
  /** Gives the key back: the call has done nothing. */
  release(): Statement;
}

export type Idempotency = ReturnType<typeof createIdempotency>;

/** Calls with an idempotency key: the first is made, the others get its answer. */
export function createIdempotency(parts: {
  readonly database: Database;
  readonly repository: IdempotencyRepository;
  /** A keyed hash: the content may hold a password, which a plain hash would let be guessed. */
  readonly mac: (text: string) => Promise<string>;
  readonly platform: Pick<Platform, "now">;
}) {
  const { database, repository, mac, platform } = parts;
  return {
    /**
     * Takes the key, or gives the answer of the call that took it before.
     * @param state whether the call does at once what must not be done twice: a process that is cut off then leaves the
     * key taken, otherwise for some seconds only.
     * @throws {SealpostError} `conflict` if that call had another content, or has not ended (a process that was cut
     * off in the middle leaves it so); `invalid_parameter` for what is no key.
     */
    async reserve(
      { scope, key, content }: IdempotentCall,
      state: typeof RESERVED | typeof STARTED,
    ): Promise<ReservedKey | { readonly response: string }> {
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
      if (first?.content !== hash) throw conflict("was used for another call; take a new one");
      if (first.answer === RESERVED || first.answer === STARTED)
        throw conflict("is in use by a call whose end is not known yet");
      return { response: first.answer };
    },
  };
}

function conflict(problem: string): SealpostError {
  return new SealpostError("conflict", `This Idempotency-Key ${problem}`, { parameter: "Idempotency-Key" });
}
