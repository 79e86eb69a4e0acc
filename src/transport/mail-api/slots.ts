import { Semaphore } from "../../async/semaphore.ts";
import { noConnection } from "../../domain/delivery.ts";
import type { Result } from "../../smtp/task.ts";
import { DeliveryTimeout, type DeliveryTimer } from "../smtp/delivery-timer.ts";

interface Slots {
  readonly semaphore: Semaphore;
  users: number;
}

/** Bounds the requests of each definition at a time. */
export class RequestSlots {
  readonly #slots = new Map<string, Slots>();

  /**
   * Runs a task when a slot is free, within the timer's bounds.
   * @param poolKey the definition.
   * @throws the caller's reason if the timer stops for it.
   */
  async run(
    poolKey: string,
    max: number,
    timer: DeliveryTimer,
    task: () => Promise<Result>,
  ): Promise<Result> {
    const slots = this.#slots.get(poolKey) ?? { semaphore: new Semaphore(max), users: 0 };
    this.#slots.set(poolKey, slots);
    slots.users++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const forgetStop = timer.onStop((reason) => {
      if (!(reason instanceof DeliveryTimeout)) reject(reason);
      else resolve({ successful: false, failure: noConnection() });
    });
    void slots.semaphore.run(async () => {
      forgetStop();
      if (timer.stopped === null) await task().then(resolve, reject);
      if (--slots.users === 0) this.#slots.delete(poolKey);
    });
    return promise;
  }
}
