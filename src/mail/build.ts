import type { Platform } from "../contracts/platform.ts";
import { BoundedCache } from "../domain/cache.ts";
import { type Failure, type FailureCode, notSent } from "../domain/delivery.ts";
import { type Mailbox, recipientsOf, senderOf } from "../domain/mailbox.ts";
import type { ComposedMessage, MessageIdentity, NormalizedMessage } from "../domain/message.ts";
import type { KeyAddresses, ResolvedServer, SigningSource } from "../domain/smtp-server.ts";
import { assemble, concealHeaders, protectHeaders } from "../message/assemble.ts";
import { compose } from "../message/compose.ts";
import type { SigningIdentity } from "../smime/identity.ts";
import { prepareSigner, type Signer, signEntity } from "../smime/sign.ts";
import { dateProblem } from "../smime/validity.ts";
import { type Meter, serverLabel } from "../telemetry/meter.ts";
import type { Certificates, Encryption, FoundCertificates, MessageEncryption } from "./encryption.ts";
import { addressProblem, inspectSource } from "./servers/check-identity.ts";

/** The reason why a message could not be signed or encrypted. */
interface SmimeProblem {
  readonly code: Extract<FailureCode, `sign_${string}` | "encrypt_no_certificate">;
  readonly reason: string;
}

/** The signature and encryption of a message; `null` if the definition asks for neither. */
export type SmimeResult = {
  readonly signed: boolean;
  /** Whether each recipient gets it encrypted. */
  readonly encrypted: boolean;
  /** Why it was not signed, or else not encrypted, as the definition asks. Absent if all was done. */
  readonly code?: SmimeProblem["code"];
  readonly reason?: string;
  /** Why it was not encrypted, if it was not signed either. */
  readonly further?: SmimeProblem;
} | null;

/** The final bytes of a message. */
export interface BuiltMessage {
  readonly failure: null;
  /** Reverse-path. */
  readonly from: string;
  /** Not encrypted yet: that is done for each recipient when the message is delivered. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `null` if the bytes leave as they are. */
  readonly encryption: MessageEncryption | null;
  readonly smime: SmimeResult;
}

/** The failure of a message that could not be built. */
interface BuildFailure {
  readonly failure: Failure;
  readonly smime: SmimeResult;
}

interface BuildOptions {
  /** Certificates of recipients that the caller gave. */
  readonly certificates?: Certificates | undefined;
  /** Whether to encrypt, or fail, even if the definition does not encrypt. */
  readonly encrypt?: boolean | undefined;
  /** Whether no one receives the message, so that a missing certificate does not matter. */
  readonly decoy?: boolean | undefined;
}

/** @param identity returns the fixed part of the message, given its From. */
export type Build = (
  server: ResolvedServer,
  message: NormalizedMessage,
  identity: (from: Mailbox) => MessageIdentity,
  options?: BuildOptions,
) => Promise<BuiltMessage | BuildFailure>;

/** The key of a definition, ready to sign. */
interface Prepared {
  readonly signer: Signer;
  readonly identity: SigningIdentity;
  /** The addresses that the key was given for. `null` if that was checked already. */
  readonly givenFor: KeyAddresses | null;
}

/** Definitions whose decrypted key is kept ready; each takes a few kilobytes. */
const MAX_PREPARED = 256;

/**
 * Creates what composes a message, and signs it if the definition says so. If it has to be encrypted, the certificates of
 * its recipients are found here. Decrypted keys, never passphrases, are cached by definition version; the dates of the
 * certificate are checked for each message.
 */
export function createBuild(deps: {
  readonly platform: Pick<Platform, "now">;
  readonly encryption: Pick<Encryption, "find">;
  readonly meter: Meter;
}): Build {
  const { platform, encryption, meter } = deps;
  const cache = new BoundedCache<Prepared>(MAX_PREPARED);

  async function prepare(source: SigningSource): Promise<Prepared | SmimeProblem> {
    const cached = source.cacheKey === null ? undefined : cache.get(source.cacheKey);
    const now = platform.now();
    if (cached && now <= cached.identity.chosenUntil) return cached;
    const prepared = await load(source, now);
    if (source.cacheKey !== null && "signer" in prepared) cache.set(source.cacheKey, prepared);
    return prepared;
  }

  async function signerFor(
    source: SigningSource,
    from: Mailbox,
    isExplicit: boolean,
  ): Promise<Signer | SmimeProblem> {
    const prepared = await prepare(source);
    if (!("signer" in prepared)) return prepared;
    const { signer, identity, givenFor } = prepared;
    const sender = givenFor?.sender ?? from.address;
    const isGiven = !isExplicit && sender === from.address;
    const problem =
      dateProblem(identity, platform.now()) ??
      (isGiven ? null : addressProblem(identity, givenFor, from.address));
    return problem ?? signer;
  }

  return async (server, message, identityFor, { certificates = {}, encrypt = false, decoy = false } = {}) => {
    const from = message.from ?? senderOf(server);
    if (from === null) return { failure: notSent("sender", "sender_missing"), smime: null };
    const identity = identityFor(from);
    const composed = await compose(message, identity);
    const signing = server.signing && (await signerFor(server.signing, from, message.from !== undefined));
    const found =
      server.smimeEncrypt || encrypt ? await encryption.find(recipientsOf(message), certificates) : null;
    const signer = signing && "identity" in signing ? signing : null;
    const smime = resultOf(signing, found);
    const isMissed = smime?.code !== undefined && !(decoy && smime.code === "encrypt_no_certificate");
    const code = isMissed
      ? fatalCode(smime, { dontSendOnError: server.dontSendOnError, encrypt })
      : undefined;
    if (code !== undefined) {
      const phase = code === "encrypt_no_certificate" ? "encrypt" : "sign";
      meter.count("sealpost_phase_failures_total", { server: serverLabel(server), phase, code });
      return { failure: notSent(phase, code), smime: smime && { ...smime, signed: false } };
    }
    const finish = ({ headers, entity }: ComposedMessage) =>
      finalBytes(headers, entity, { signer, identity, meter });
    return { failure: null, from: from.address, ...(await variants(composed, found, signer, finish)), smime };
  };
}

/** Returns the problem for which a message is not sent; `undefined` if it is sent all the same. */
function fatalCode(
  smime: NonNullable<SmimeResult>,
  { dontSendOnError, encrypt }: { readonly dontSendOnError: boolean; readonly encrypt: boolean },
): SmimeProblem["code"] | undefined {
  if (dontSendOnError) return smime.code;
  return encrypt && !smime.encrypted ? "encrypt_no_certificate" : undefined;
}

/** Builds the message for recipients with a certificate, for those without one, or for both. */
async function variants(
  composed: ComposedMessage,
  found: FoundCertificates | null,
  signer: Signer | null,
  finish: (message: ComposedMessage) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Pick<BuiltMessage, "bytes" | "encryption">> {
  const isClear = found === null || found.missing.length > 0;
  const toSign = signer === null ? composed : { ...composed, entity: protectHeaders(composed) };
  const clear = isClear ? await finish(toSign) : null;
  const { certificates = {} } = found ?? {};
  if (clear && Object.keys(certificates).length === 0) return { bytes: clear, encryption: null };
  return { bytes: await finish(concealHeaders(composed)), encryption: { certificates, clear } };
}

async function finalBytes(
  headers: string,
  entity: Uint8Array<ArrayBuffer>,
  {
    signer,
    identity,
    meter,
  }: { readonly signer: Signer | null; readonly identity: MessageIdentity; readonly meter: Meter },
): Promise<Uint8Array<ArrayBuffer>> {
  if (signer === null) return assemble(headers, entity);
  const options = { date: identity.date, boundary: `signed_${identity.boundary}` };
  const startedMs = performance.now();
  const signed = await signEntity(entity, signer, options);
  const { algorithm } = signer.identity;
  meter.observe("sealpost_sign_duration_seconds", (performance.now() - startedMs) / 1_000, { algorithm });
  return assemble(headers, signed);
}

/** @param signing `null` if the definition does not sign. @param found `null` if it does not encrypt. */
function resultOf(signing: Signer | SmimeProblem | null, found: FoundCertificates | null): SmimeResult {
  if (signing === null && found === null) return null;
  const signed = signing !== null && "identity" in signing;
  const [missing] = found?.missing ?? [];
  const encrypted = found !== null && missing === undefined;
  const unencrypted = missing && ({ code: "encrypt_no_certificate", reason: missing.reason } as const);
  if (signing === null || signed) return { signed, encrypted, ...unencrypted };
  const { code, reason } = signing;
  return { signed, encrypted, code, reason, ...(unencrypted && { further: unencrypted }) };
}

async function load(source: SigningSource, now: Date): Promise<Prepared | SmimeProblem> {
  const { identity, problems } = await inspectSource(source, now);
  if (identity) {
    return { identity, signer: await prepareSigner(identity), givenFor: await source.givenFor() };
  }
  return problems[0] ?? { code: "sign_no_key", reason: "There is no key to sign with" };
}
