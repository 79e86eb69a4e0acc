import { NOTHING_SEEN, type Receipt } from "../domain/delivery.ts";
import type { SubmitResult } from "./submit.ts";

/** What receipts of older versions lack. */
const ABSENT = { roundTrips: 0, seen: NOTHING_SEEN };

/** Reads a result that was stored as JSON under an idempotency key. Dates are texts there. */
export function readStoredResult(text: string): SubmitResult {
  const result: SubmitResult = JSON.parse(text);
  if (result.state === "queued") return result;
  const recipients = result.recipients.map((one) => ({ ...one, receipt: revived(one.receipt) }));
  return { ...result, recipients };
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
