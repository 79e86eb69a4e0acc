import { Semaphore } from "../async/semaphore.ts";
import type { Delivery, JointTransport, SendOptions, Transport } from "../contracts/transport.ts";
import {
  type Checkpoint,
  NOTHING_SEEN,
  notAttempted,
  notSent,
  PHASES,
  type Receipt,
  type TimingMs,
} from "../domain/delivery.ts";
import type { AccessTokens } from "../domain/oauth.ts";
import type { Secret } from "../domain/secret.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { Encryption, MessageEncryption } from "./encryption.ts";

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
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Absent or `null`: the bytes leave as they are. */
  readonly encryption?: MessageEncryption | null;
}

interface DeliverOptions extends Omit<SendOptions, "until"> {
  /** Checks the server up to this point. Sends no byte of the message. */
  readonly until?: Checkpoint | undefined;
}

/** Octets of encrypted copies of one message in memory at a time: several of the largest, or all of a small one. */
const MAX_COPIES_OCTETS = 64 * 1024 * 1024;

export type Deliver = (mail: DeliverableMail, options: DeliverOptions) => Promise<RecipientResult[]>;

/**
 * Creates the only function that gives bytes to a transport, one recipient a transaction. With several in one, a server
 * may accept some recipients and then reject the message for all. Only an API that takes the recipients from the message
 * gets them together. What a server does never throws, and an aborted delivery is the failure `cancelled`.
 */
export function createDeliver(transport: Transport, encrypt: Encryption["encrypt"]): Deliver {
  return async ({ server, from, recipients, bytes, encryption = null }, { until, ...options }) => {
    async function deliverTo(to: readonly string[]): Promise<RecipientResult[]> {
      const own = encryption === null ? bytes : await bytesFor(to, bytes, encryption, encrypt);
      const delivery = { server, poolKey: server.poolKey, from, bytes: own };
      const receipt = await orCancel(options.signal, () =>
        until === "oauth"
          ? checkToken(server.tokens, options.signal)
          : sendWithFreshToken(server, options.signal, (current) =>
              sendTo(transport, to, { ...delivery, server: current }, { ...options, until }),
            ),
      );
      // One invalid recipient has kept the message from the others.
      if (to.length > 1 && isRejectedRecipient(receipt)) return deliverToEach(to);
      return to.map((recipient) => ({ recipient, receipt }));
    }

    const copies = encryption && new Semaphore(Math.max(1, Math.floor(MAX_COPIES_OCTETS / bytes.length)));
    const deliverToEach = async (to: readonly string[]): Promise<RecipientResult[]> => {
      const one = (recipient: string) => deliverTo([recipient]);
      const each = to.map((recipient) => copies?.run(() => one(recipient)) ?? one(recipient));
      return (await Promise.all(each)).flat();
    };
    // Each recipient gets a message that is encrypted for no one else.
    return encryption === null && sendsJointly(transport, server)
      ? deliverTo(recipients)
      : deliverToEach(recipients);
  };
}

/** Returns the bytes for one recipient. */
async function bytesFor(
  [recipient = ""]: readonly string[],
  bytes: Uint8Array<ArrayBuffer>,
  { certificates, clear }: MessageEncryption,
  encrypt: Encryption["encrypt"],
): Promise<Uint8Array> {
  const certificate = certificates[recipient];
  if (certificate !== undefined) return encrypt(bytes, certificate);
  if (clear === null) throw new TypeError("A recipient of an encrypted message has no certificate");
  return clear;
}

/** Whether the recipients of a message share a request to this server. */
export function sendsJointly(transport: Transport, server: Pick<ResolvedServer, "protocol">): boolean {
  return isJoint(transport) && transport.sendsJointly(server);
}

function isJoint(transport: Transport): transport is JointTransport {
  return "sendsJointly" in transport && "sendJointly" in transport;
}

function sendTo(
  transport: Transport,
  to: readonly string[],
  delivery: Omit<Delivery, "recipient">,
  options: SendOptions,
): Promise<Receipt> {
  const [recipient = ""] = to;
  return to.length > 1 && isJoint(transport)
    ? transport.sendJointly({ ...delivery, recipients: to }, options)
    : transport.send({ ...delivery, recipient }, options);
}

function isRejectedRecipient(receipt: Receipt): boolean {
  if (receipt.successful || receipt.failure.outcome === "unknown") return false;
  return receipt.failure.code === "recipient_rejected";
}

async function orCancel(signal: AbortSignal, send: () => Promise<Receipt>): Promise<Receipt> {
  try {
    return withoutTrace(await send());
  } catch (error) {
    if (!signal.aborted) throw error;
    return notAttempted(notSent("connect", "cancelled"));
  }
}

/** Gets an access token and contacts no mail server. A definition without tokens has nothing to check. */
async function checkToken(tokens: AccessTokens | null | undefined, signal: AbortSignal): Promise<Receipt> {
  const startedMs = performance.now();
  const result = await tokens?.get({ signal });
  const observed = { tls: null, roundTrips: 0, seen: NOTHING_SEEN };
  const timingMs = { oauth: performance.now() - startedMs };
  if (result?.successful === false)
    return { successful: false, failure: result.failure, timingMs, ...observed };
  return { successful: true, reply: null, reached: "oauth", timingMs, ...observed };
}

/** Sends once more with a fresh access token if the server rejected a token, which may have been revoked. */
async function sendWithFreshToken(
  server: ResolvedServer,
  signal: AbortSignal,
  send: (server: ResolvedServer) => Promise<Receipt>,
): Promise<Receipt> {
  const { tokens } = server;
  if (!tokens) return send(server);
  let used: Secret | null = null;
  const sendWith = (get: AccessTokens["get"]): Promise<Receipt> => send({ ...server, tokens: { get } });
  const first = await sendWith(async (attempt) => {
    const result = await tokens.get({ signal: attempt.signal });
    used = result.successful ? result.accessToken : null;
    return result;
  });
  if (first.successful || first.failure.code !== "auth_rejected" || used === null) return first;
  const startedMs = performance.now();
  const rejected: Secret = used;
  const fresh = await tokens.get({ signal, rejected });
  const oauth = performance.now() - startedMs;
  // There is no newer token yet: another login would be rejected as well, and may lock the account.
  if (fresh.successful && fresh.accessToken.reveal() === rejected.reveal()) return first;
  const second = await sendWith(async () => fresh);
  return {
    ...second,
    roundTrips: first.roundTrips + second.roundTrips,
    timingMs: addTimes(addTimes(first.timingMs, { oauth }), second.timingMs),
  };
}

function addTimes(first: TimingMs, second: TimingMs): TimingMs {
  const phases = PHASES.filter((phase) => phase in first || phase in second);
  return Object.fromEntries(phases.map((phase) => [phase, (first[phase] ?? 0) + (second[phase] ?? 0)]));
}

/** Drops timing and observations of a denied target, so that a test cannot be used as a port scanner. */
function withoutTrace(receipt: Receipt): Receipt {
  const isDenied = !receipt.successful && receipt.failure.code === "egress_denied";
  return isDenied ? notAttempted(receipt.failure) : receipt;
}
