import type { JointTransport, Transport } from "../contracts/transport.ts";
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

  const load = async (api: MailApi): Promise<SendByApi> => {
    const { createSendByApi } = await import("./mail-api/index.ts");
    return createSendByApi(await DRIVERS[api](), options);
  };
  const senderOf = (api: MailApi): Promise<SendByApi> => {
    const sender = senders.get(api) ?? load(api);
    senders.set(api, sender);
    return sender;
  };

  return {
    name: smtp.name,
    ...(smtp.boundsConnections && { boundsConnections: true }),
    sendsJointly,
    async send({ recipient, ...delivery }, sendOptions) {
      const { protocol } = delivery.server;
      if (protocol === undefined) return smtp.send({ ...delivery, recipient }, sendOptions);
      return (await senderOf(protocol))({ ...delivery, recipients: [recipient] }, sendOptions);
    },
    async sendJointly(delivery, sendOptions) {
      const { protocol } = delivery.server;
      if (protocol === undefined) throw new TypeError("SMTP has one recipient per transaction");
      return (await senderOf(protocol))(delivery, sendOptions);
    },
    [Symbol.asyncDispose]: () => smtp[Symbol.asyncDispose](),
  };
}
