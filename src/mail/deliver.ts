import type { SendOptions, Transport } from "../contracts/transport.ts";
import { notAttempted, notSent, type Receipt } from "../domain/delivery.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";

/** What became of a mail for one of its recipients. */
export interface RecipientResult {
  readonly recipient: string;
  readonly receipt: Receipt;
}

/** A finished mail and where it goes. */
export interface DeliverableMail {
  readonly server: ResolvedServer;
  /** Reverse-path. */
  readonly from: string;
  readonly recipients: readonly string[];
  /** What the signer returned, untouched. */
  readonly bytes: Uint8Array;
}

export type Deliver = (mail: DeliverableMail, options: SendOptions) => Promise<RecipientResult[]>;

/**
 * Makes the one function that hands bytes to a transport: one recipient, one transaction (of several recipients in
 * one, some are accepted and never get the mail when the last reply is a refusal). Never throws for what a server
 * does; a cancelled mail is a failure `cancelled`.
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

/** A test must not become a port scanner: of a denied target, no timing and nothing seen is kept. */
function withoutTrace(receipt: Receipt): Receipt {
  const isDenied = !receipt.successful && receipt.failure.code === "egress_denied";
  return isDenied ? notAttempted(receipt.failure) : receipt;
}
