import { AsyncLocalStorage } from "node:async_hooks";
import type { Scrypt } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import { scrypt } from "../../secrets/password.ts";

/** The Worker that passed a request on. */
interface Front {
  readonly scrypt: Scrypt;
  /** Whether it still waits for the response. Afterwards its function cannot be called. */
  isWaiting: boolean;
}

const HASH_BYTES = 32;
const RETRY_AFTER_SECONDS = 1;

/**
 * Leaves the password hashes of a request to the Worker that passed it on. An object has one thread, and a hash would
 * hold up every other request. Work without such a Worker, as that of an alarm, computes them in the object.
 */
export class FrontScrypt {
  readonly #fronts = new AsyncLocalStorage<Front>();

  /** Runs the work of a request. @param front computes its hashes; `undefined` for the object itself. */
  async run<T>(front: Scrypt | undefined, work: () => Promise<T>): Promise<T> {
    if (front === undefined) return work();
    const store = { scrypt: front, isWaiting: true };
    try {
      return await this.#fronts.run(store, work);
    } finally {
      store.isWaiting = false;
    }
  }

  /** @throws {SealpostError} `busy` if the Worker fails while it waits, as when its client hung up. */
  readonly scrypt: Scrypt = async (password, salt, cost) => {
    const front = this.#fronts.getStore();
    if (front === undefined || !front.isWaiting) return scrypt(password, salt, cost);
    const hash = await front.scrypt(password, salt, cost).catch(failed);
    return hash.length === HASH_BYTES ? hash : failed(new TypeError("A hash has another length"));
  };
}

/** A hash in the object instead would let clients that hang up hold up all others. */
function failed(cause: unknown): never {
  const message = "The password could not be checked: try again in a moment";
  throw new SealpostError("busy", message, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS });
}
