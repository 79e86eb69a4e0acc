import type { Platform } from "../contracts/platform.ts";
import { BoundedCache } from "../domain/bounded-cache.ts";
import { type Failure, type FailureCode, notSent } from "../domain/delivery.ts";
import { type Mailbox, senderOf } from "../domain/mailbox.ts";
import type { ComposedMessage, MessageIdentity, NormalizedMessage } from "../domain/message.ts";
import type { ResolvedServer, SigningSource } from "../domain/smtp-server.ts";
import { assemble, protectHeaders } from "../message/assemble.ts";
import { compose } from "../message/compose.ts";
import { type SigningIdentity, senderProblem } from "../smime/identity.ts";
import { prepareSigner, type Signer, signEntity } from "../smime/sign.ts";
import { dateProblem } from "../smime/validity.ts";
import { inspectSource } from "./servers/check-identity.ts";

/** The reason why a message could not be signed. */
interface SigningFailure {
  readonly code: Extract<FailureCode, `sign_${string}`>;
  readonly reason: string;
}

/** Whether the message left signed; `null` if the definition does not ask for a signature. */
export type SmimeResult = { readonly signed: true } | ({ readonly signed: false } & SigningFailure) | null;

/** The final bytes of a message. */
export interface BuiltMessage {
  readonly failure: null;
  /** Reverse-path. */
  readonly from: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly smime: SmimeResult;
}

/** The failure of a message that could not be built. */
interface BuildFailure {
  readonly failure: Failure;
  readonly smime: SmimeResult;
}

/** @param identity returns the fixed part of the message, given its From. */
export type Build = (
  server: ResolvedServer,
  message: NormalizedMessage,
  identity: (from: Mailbox) => MessageIdentity,
) => Promise<BuiltMessage | BuildFailure>;

/** The key of a definition, ready to sign. */
interface Prepared {
  readonly signer: Signer;
  readonly identity: SigningIdentity;
}

interface Signed {
  readonly entity: Uint8Array;
  readonly smime: SmimeResult;
}

/** Definitions whose decrypted key is kept ready; each takes a few kilobytes. */
const MAX_PREPARED = 256;

/**
 * Creates what composes a message, and signs it if the definition says so. Decrypted keys, never passphrases, are cached
 * by definition version; the dates of the certificate are checked for each message.
 */
export function createBuild(platform: Pick<Platform, "now">): Build {
  const cache = new BoundedCache<Prepared>(MAX_PREPARED);

  async function prepare(source: SigningSource): Promise<Prepared | SigningFailure> {
    const cached = source.cacheKey === null ? undefined : cache.get(source.cacheKey);
    const now = platform.now();
    if (cached && now <= cached.identity.chosenUntil) return cached;
    const prepared = await load(source, now);
    if (source.cacheKey !== null && "signer" in prepared) cache.set(source.cacheKey, prepared);
    return prepared;
  }

  async function sign(
    source: SigningSource,
    composed: ComposedMessage,
    { date, boundary }: MessageIdentity,
    explicitFrom: Mailbox | null,
  ): Promise<Signed> {
    const unsigned = ({ code, reason }: SigningFailure): Signed => ({
      entity: composed.entity,
      smime: { signed: false, code, reason },
    });
    const prepared = await prepare(source);
    if (!("signer" in prepared)) return unsigned(prepared);
    const { signer, identity } = prepared;
    const problem =
      dateProblem(identity, platform.now()) ??
      (explicitFrom && senderProblem(identity, explicitFrom.address));
    if (problem) return unsigned(problem);
    const options = { date, boundary: `signed_${boundary}` };
    return { entity: await signEntity(protectHeaders(composed), signer, options), smime: { signed: true } };
  }

  return async (server, message, identityFor) => {
    const from = message.from ?? senderOf(server);
    if (from === null) return { failure: notSent("sender", "sender_missing"), smime: null };
    const identity = identityFor(from);
    const composed = await compose(message, identity);
    const { entity, smime } =
      server.signing === null
        ? { entity: composed.entity, smime: null }
        : await sign(server.signing, composed, identity, message.from ?? null);
    if (smime?.signed === false && server.dontSendOnError) {
      return { failure: notSent("sign", smime.code), smime };
    }
    return { failure: null, from: from.address, bytes: assemble(composed.headers, entity), smime };
  };
}

async function load(source: SigningSource, now: Date): Promise<Prepared | SigningFailure> {
  const { identity, problems } = await inspectSource(source, now);
  if (identity) return { identity, signer: await prepareSigner(identity) };
  return problems[0] ?? { code: "sign_no_key", reason: "There is no key to sign with" };
}
