import { NOTHING_SEEN, type Receipt } from "../domain/delivery.ts";
import type { SubmitResult } from "./submit.ts";

/** Fields that receipts of older versions lack. */
const ABSENT = { roundTrips: 0, seen: NOTHING_SEEN };

/** Returns a result as it is stored under an idempotency key; its name for skipped servers is older than that type. */
export function toStoredResult(result: SubmitResult): unknown {
  if (result.state === "queued") return result;
  const { skipped: passedOver, ...rest } = result;
  return { ...rest, passedOver };
}

/** Reads a result that was stored as JSON under an idempotency key. Dates are texts there. */
export function readStoredResult(text: string): SubmitResult {
  const { passedOver: skipped, ...result } = JSON.parse(text);
  if (result.state === "queued") return result;
  const recipients = result.recipients.map((one: { readonly receipt: Receipt }) => ({
    ...one,
    receipt: revived(one.receipt),
  }));
  return { ...result, recipients, skipped };
}

function revived(stored: Receipt): Receipt {
  const receipt = { ...ABSENT, ...stored };
  const chain = receipt.seen.chain?.map(({ notAfter, ...certificate }) => ({
    ...certificate,
    notAfter: notAfter === null ? null : new Date(notAfter),
  }));
  const seen = { ...receipt.seen, chain: chain ?? null };
  return receipt.successful ? { ...receipt, seen, reached: receipt.reached ?? null } : { ...receipt, seen };
}
