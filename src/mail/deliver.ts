import type { SendOptions, Transport } from "../contracts/transport.ts";
import { notAttempted, notSent, type Receipt } from "../domain/delivery.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";

/** The outcome of a message for one recipient. */
export interface RecipientResult {
  readonly recipient: string;
  readonly receipt: Receipt;
}

/** The final bytes of a message, and where they go. */
export interface DeliverableMail {
  readonly server: ResolvedServer;
  /** Reverse-path. */
  readonly from: string;
  readonly recipients: readonly string[];
  readonly bytes: Uint8Array;
}

export type Deliver = (mail: DeliverableMail, options: SendOptions) => Promise<RecipientResult[]>;

/**
 * Creates the only function that gives bytes to a transport, one recipient a transaction. With several in one, a server
 * may accept some recipients and then reject the message for all. What a server does never throws, and an aborted
 * delivery is the failure `cancelled`.
 */
export function createDeliver(transport: Transport): Deliver {
  return async ({ server, from, recipients, bytes }, options) => {
    const one = async (recipient: string): Promise<RecipientResult> => {
      const delivery = { server, poolKey: server.poolKey, from, recipient, bytes };
      return { recipient, receipt: await sendOrCancel(transport, delivery, options) };
    };
    return Promise.all(recipients.map(one));
  };
}

async function sendOrCancel(
  transport: Transport,
  delivery: Parameters<Transport["send"]>[0],
  options: SendOptions,
): Promise<Receipt> {
  try {
    return withoutTrace(await transport.send(delivery, options));
  } catch (error) {
    if (!options.signal.aborted) throw error;
    return notAttempted(notSent("connect", "cancelled"));
  }
}

/** Drops timing and observations of a denied target, so that a test cannot be used as a port scanner. */
function withoutTrace(receipt: Receipt): Receipt {
  const isDenied = !receipt.successful && receipt.failure.code === "egress_denied";
  return isDenied ? notAttempted(receipt.failure) : receipt;
}
