import type { Failure } from "../domain/delivery.ts";

/** Carries a {@link Failure} from where it happened to the receipt; never leaves the transport. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(`Not delivered: ${failure.code} in phase ${failure.phase}`, options);
    this.failure = failure;
  }
}
