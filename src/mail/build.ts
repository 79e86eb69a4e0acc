import { type Failure, notSent } from "../domain/delivery.ts";
import type { Mailbox } from "../domain/mailbox.ts";
import type { ComposedMessage, MessageIdentity, NormalizedMessage } from "../domain/message.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import { assemble, protectHeaders } from "../message/assemble.ts";
import { compose } from "../message/compose.ts";
import { signEntity } from "../smime/sign.ts";
import { senderOf } from "./sender.ts";
import type { PrepareSigner, SigningFailure } from "./signing.ts";

/** Whether the mail left signed; null if the definition does not ask for it. */
export type SmimeResult = { readonly signed: true } | ({ readonly signed: false } & SigningFailure) | null;

/** A mail whose bytes do not change any more. */
export interface BuiltMessage {
  readonly failure: null;
  /** Reverse-path. */
  readonly from: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly smime: SmimeResult;
}

/** Why there is nothing to send. */
export interface BuildFailure {
  readonly failure: Failure;
  readonly smime: SmimeResult;
}

/** @param identity makes what is fixed of the mail, for the address that it comes from. */
export type Build = (
  server: ResolvedServer,
  message: NormalizedMessage,
  identity: (from: Mailbox) => MessageIdentity,
) => Promise<BuiltMessage | BuildFailure>;

/** Makes what composes a message and signs it where the definition says so. */
export function createBuild(prepareSigner: PrepareSigner): Build {
  return async (server, message, identityFor) => {
    const from = message.from ?? senderOf(server);
    if (from === null) return { failure: notSent("sender", "sender_missing"), smime: null };
    const identity = identityFor(from);
    const composed = await compose(message, identity);
    const signed = await sign(server, composed, identity, message.from ?? null, prepareSigner);
    if (signed.smime?.signed === false && server.dontSendOnError) {
      return { failure: notSent("sign", signed.smime.code), smime: signed.smime };
    }
    const bytes = assemble(composed.headers, signed.entity);
    return { failure: null, from: from.address, bytes, smime: signed.smime };
  };
}

async function sign(
  server: ResolvedServer,
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
