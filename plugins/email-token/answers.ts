import type { Issued, Trigger, Unsent } from "./trigger.ts";

/** `detail` after codes were sent. */
export function challengeDetail(issued: readonly [Issued, ...Issued[]]) {
  const [first] = issued;
  const messages = [...new Set(issued.map(({ message }) => message))];
  const waits = issued.flatMap(({ resendAfter }) => resendAfter ?? []);
  return {
    ...challengeOf(first),
    message: messages.join(", "),
    messages,
    transaction_ids: [...new Set(issued.map(({ transactionId }) => transactionId))],
    multi_challenge: issued.map(challengeOf),
    ...(waits.length === 0 ? {} : { resend_after: Math.min(...waits) }),
  };
}

/** The client's next step, as the reference puts it. */
function challengeOf({ serial, type, transactionId, validUntil, message }: Issued) {
  return {
    ...{ transaction_id: transactionId, serial, type, message },
    client_mode: "interactive" as const,
    attributes: { state: transactionId, valid_until: validUntil },
  };
}

/** Why codes were not sent, for admins. */
export function failuresOf(unsent: readonly Unsent[]) {
  return unsent.map(({ retryAfter, ...why }) => ({ ...why, retry_after: retryAfter }));
}

export function isIssued(issued: Trigger["issued"]): issued is readonly [Issued, ...Issued[]] {
  return issued.length > 0;
}
