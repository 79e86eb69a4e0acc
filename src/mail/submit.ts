import type { Platform } from "../contracts/platform.ts";
import type { Failure, FailureCode, Phase } from "../domain/delivery.ts";
import { domainOf, type Mailbox } from "../domain/mailbox.ts";
import type { ComposedMessage, Message, MessageIdentity } from "../domain/message.ts";
import type { SendingServer } from "../domain/smtp-server.ts";
import { assemble } from "../message/assemble.ts";
import { compose } from "../message/compose.ts";
import { protectHeaders } from "../message/protect.ts";
import { signEntity } from "../smime/sign.ts";
import type { Deliver, RecipientResult } from "./deliver.ts";
import { senderOf } from "./sender.ts";
import type { PrepareSigner, SigningFailure } from "./signing.ts";

/** Whether the mail left signed; null if the definition does not ask for it. */
export type SmimeResult = { readonly signed: true } | ({ readonly signed: false } & SigningFailure) | null;

export type SubmitResult =
  | {
      readonly state: "delivered";
      readonly recipients: readonly RecipientResult[];
      readonly smime: SmimeResult;
    }
  | {
      readonly state: "failed";
      /** The failure that speaks for all: of the first recipient that was not reached. */
      readonly failure: Failure;
      readonly recipients: readonly RecipientResult[];
      readonly smime: SmimeResult;
    };

export type Submit = (
  server: string | SendingServer,
  message: Message,
  options?: { readonly signal?: AbortSignal },
) => Promise<SubmitResult>;

export interface SubmitParts {
  readonly loadServer: (identifier: string) => Promise<SendingServer | null>;
  readonly prepareSigner: PrepareSigner;
  readonly deliver: Deliver;
  readonly platform: Platform;
  /** Domain of Message-ID when the sender has none of use. */
  readonly hostName: string;
}

/**
 * Makes the one way by which mail leaves: load the definition → compose → sign → deliver. Test mail, mail of plugins
 * and queued mail all come through here, so what a test shows holds for every mail.
 */
export function createSubmit({
  loadServer,
  prepareSigner,
  deliver,
  platform,
  hostName,
}: SubmitParts): Submit {
  // The signal is made here: on Workers it belongs to the request that made it.
  return async (named, message, { signal = new AbortController().signal } = {}) => {
    const server = typeof named === "string" ? await loadServer(named) : named;
    if (server === null) return failed("policy", "server_unknown");

    const from = message.from ?? senderOf(server);
    if (from === null) return failed("sender", "sender_missing");

    const identity = newIdentity(from, platform, hostName);
    const composed = await compose(message, identity);

    const signed = await sign(server, composed, identity, message.from ?? null, prepareSigner);
    if (signed.smime?.signed === false && server.dontSendOnError) {
      return failed("sign", signed.smime.code, signed.smime);
    }

    const recipients = await deliver(
      {
        server,
        from: from.address,
        recipients: message.to.map((mailbox) => mailbox.address),
        bytes: assemble(composed.headers, signed.entity),
      },
      { signal },
    );
    return summarize(recipients, signed.smime);
  };
}

/** 128 bits: nobody guesses or repeats one. */
const UNIQUE_BYTES = 16;

function newIdentity(from: Mailbox, platform: Platform, hostName: string): MessageIdentity {
  const domain = domainOf(from.address);
  const idDomain = domain.startsWith("[") ? hostName : domain;
  return {
    from,
    date: platform.now(),
    messageId: `<${platform.randomBytes(UNIQUE_BYTES).toHex()}@${idDomain}>`,
    boundary: platform.randomBytes(UNIQUE_BYTES).toHex(),
  };
}

async function sign(
  server: SendingServer,
  composed: ComposedMessage,
  { date, boundary }: MessageIdentity,
  explicitFrom: Mailbox | null,
  prepareSigner: PrepareSigner,
): Promise<{ readonly entity: Uint8Array; readonly smime: SmimeResult }> {
  if (server.signing === null) return { entity: composed.entity, smime: null };
  const { signer, failure } = await prepareSigner(server.signing, explicitFrom);
  if (failure) return { entity: composed.entity, smime: { ...failure, signed: false } };
  const entity = await signEntity(protectHeaders(composed), signer, {
    date,
    boundary: `signed_${boundary}`,
  });
  return { entity, smime: { signed: true } };
}

function failed(phase: Phase, code: FailureCode, smime: SmimeResult = null): SubmitResult {
  const failure: Failure = { phase, code, reply: null, outcome: "not-sent", retryable: false };
  return { state: "failed", failure, recipients: [], smime };
}

function summarize(recipients: readonly RecipientResult[], smime: SmimeResult): SubmitResult {
  for (const { receipt } of recipients) {
    if (!receipt.successful) return { state: "failed", failure: receipt.failure, recipients, smime };
  }
  return { state: "delivered", recipients, smime };
}
