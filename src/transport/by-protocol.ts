import type { JointDelivery, JointTransport, SendOptions, Transport } from "../contracts/transport.ts";
import type { Receipt } from "../domain/delivery.ts";
import type { ConnectionSettings, MailApi } from "../domain/smtp-server.ts";
import type { MailApiOptions, SendByApi } from "./mail-api/index.ts";

/** Each is loaded when a definition first needs it. */
const DRIVERS = {
  graph: async () => (await import("./graph/index.ts")).GRAPH,
  ses: async () => (await import("./ses/index.ts")).SES,
} as const satisfies Readonly<Record<MailApi, unknown>>;

/** Whether the recipients of a message share a request. SES has destinations, Graph only those that the message names. */
export function sendsJointly({ protocol }: Pick<ConnectionSettings, "protocol">): boolean {
  return protocol === "graph";
}

/** Creates the transport of every definition: by SMTP, or by the mail API that `server` names. */
export function createTransportByProtocol(smtp: Transport, options: MailApiOptions): JointTransport {
  const senders = new Map<MailApi, Promise<SendByApi>>();
  const inFlight = new Set<Promise<Receipt>>();
  let isClosed = false;

  const load = async (api: MailApi): Promise<SendByApi> => {
    const { createSendByApi } = await import("./mail-api/index.ts");
    return createSendByApi(await DRIVERS[api](), options);
  };
  const senderOf = (api: MailApi): Promise<SendByApi> => {
    const sender = senders.get(api) ?? load(api);
    senders.set(api, sender);
    return sender;
  };

  async function sendByApi(api: MailApi, delivery: JointDelivery, sendOptions: SendOptions) {
    if (isClosed) throw new Error("The transport is closed");
    const sending = senderOf(api).then((send) => send(delivery, sendOptions));
    inFlight.add(sending);
    try {
      return await sending;
    } finally {
      inFlight.delete(sending);
    }
  }

  return {
    name: smtp.name,
    ...(smtp.boundsConnections && { boundsConnections: true }),
    ...(smtp.openConnections && { openConnections: smtp.openConnections }),
    sendsJointly,
    async send(delivery, sendOptions) {
      const { protocol } = delivery.server;
      if (protocol === undefined) return smtp.send(delivery, sendOptions);
      const { recipient, ...message } = delivery;
      return sendByApi(protocol, { ...message, recipients: [recipient] }, sendOptions);
    },
    async sendJointly(delivery, sendOptions) {
      const { protocol } = delivery.server;
      if (protocol === undefined) throw new TypeError("SMTP has one recipient per transaction");
      return sendByApi(protocol, delivery, sendOptions);
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await Promise.all([smtp[Symbol.asyncDispose](), Promise.allSettled(inFlight)]);
    },
  };
}
