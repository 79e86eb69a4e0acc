import type { Platform } from "../contracts/platform.ts";
import { BoundedCache } from "../domain/bounded-cache.ts";
import type { FailureCode } from "../domain/delivery.ts";
import type { Mailbox } from "../domain/mailbox.ts";
import type { SigningSource } from "../domain/smtp-server.ts";
import { dateProblem, senderProblem } from "../smime/certificate.ts";
import { inspectIdentity, loadIdentity, type SigningIdentity } from "../smime/identity.ts";
import { prepareSigner, type Signer } from "../smime/sign.ts";

/** Why a mail could not be signed. */
export interface SigningFailure {
  readonly code: Extract<FailureCode, `sign_${string}`>;
  readonly reason: string;
}

export type PreparedSigner =
  | { readonly signer: Signer; readonly failure: null }
  | { readonly signer: null; readonly failure: SigningFailure };

interface Prepared {
  readonly signer: Signer;
  readonly identity: SigningIdentity;
}

/** Definitions whose opened key is kept ready; one takes a few kilobytes. */
const MOST_PREPARED = 256;

export type PrepareSigner = ReturnType<typeof createPrepareSigner>;

/**
 * Makes what opens a definition's key for signing. Opened keys are kept by definition version (never a passphrase);
 * what changes with time, the dates of the certificate, is checked for each mail.
 */
export function createPrepareSigner(platform: Pick<Platform, "now">) {
  const cache = new BoundedCache<Prepared>(MOST_PREPARED);

  async function open(source: SigningSource): Promise<Prepared | SigningFailure> {
    const now = platform.now();
    const pkcs8 = await source.decryptedKey();
    const { certificate } = source;
    const { identity, problems } = pkcs8
      ? await loadIdentity({ pkcs8, certificate, now })
      : await inspectGiven(source, now);
    if (!identity) return firstFailure(problems);
    return { identity, signer: prepareSigner(identity) };
  }

  /** @param explicitFrom a From that the message names itself: it has to stand in the certificate. */
  return async (source: SigningSource, explicitFrom: Mailbox | null): Promise<PreparedSigner> => {
    const known = source.cacheKey === null ? undefined : cache.get(source.cacheKey);
    const prepared = known ?? (await open(source));
    if ("reason" in prepared) return { signer: null, failure: prepared };
    if (source.cacheKey !== null) cache.set(source.cacheKey, prepared);
    const failure =
      dateProblem(prepared.identity, platform.now()) ??
      (explicitFrom && senderProblem(prepared.identity, explicitFrom.address));
    return failure
      ? { signer: null, failure: toFailure(failure) }
      : { signer: prepared.signer, failure: null };
  };
}

async function inspectGiven(source: SigningSource, now: Date) {
  const { pem, passphrase } = await source.originalKey();
  const given = { privateKey: pem.reveal(), passphrase: passphrase.reveal() };
  return inspectIdentity({ ...given, certificate: source.certificate, now });
}

function firstFailure(problems: readonly SigningFailure[]): SigningFailure {
  const [first] = problems;
  return first ? toFailure(first) : { code: "sign_no_key", reason: "There is no key to sign with" };
}

function toFailure({ code, reason }: SigningFailure): SigningFailure {
  return { code, reason };
}
