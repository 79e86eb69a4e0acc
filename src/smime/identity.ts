import { type Notice, notice } from "../domain/notices.ts";
import { type KeyAlgorithm, SIGNING_ALGORITHMS } from "./algorithms.ts";
import { type Certificate, dateProblem, orderChain, usageProblem } from "./certificate.ts";
import type { Der } from "./der.ts";
import { importSigningKey, type OpenKey, openPrivateKey, readAlgorithm } from "./keys.ts";
import { parseCertificates } from "./parse-certificates.ts";
import { certificateContent, IdentityError, type IdentityProblem } from "./problem.ts";

/** A key and a certificate that may sign; what changes with time is `notAfter` alone. */
export interface SigningIdentity {
  readonly algorithm: KeyAlgorithm;
  readonly key: CryptoKey;
  /** Signer first. */
  readonly chain: readonly Certificate[];
  readonly addresses: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Inspection {
  readonly problems: readonly IdentityProblem[];
  /** What the owner should know although mail can be signed. */
  readonly warnings: readonly Notice[];
  /** Null if there is any problem. */
  readonly identity: SigningIdentity | null;
  /** The opened key, to be kept for sending; null if it did not open. */
  readonly pkcs8: Der | null;
  /** The end of the certificate that belongs to the key, in the past if that is the problem; null if there is none. */
  readonly notAfter: Date | null;
}

export const EXPIRES_SOON_DAYS = 30;
const DAY_MS = 86_400_000;

/** Reads a key and certificates as their owner gives them. Everything wrong is in `problems`. */
export async function inspectIdentity(input: {
  /** PEM text. */
  readonly privateKey: string;
  /** Empty if there is none. */
  readonly passphrase: string;
  /** PEM text, chain included, in any order. */
  readonly certificate: string;
  readonly now: Date;
}): Promise<Inspection> {
  const opened = await settle(openPrivateKey(input.privateKey, input.passphrase));
  return inspect(opened, input.certificate, input.now);
}

/** Reads an identity whose key was opened before, for sending. Everything wrong is in `problems`. */
export async function openIdentity(input: {
  /** What {@link inspectIdentity} gave as `pkcs8`. */
  readonly pkcs8: Der;
  readonly certificate: string;
  readonly now: Date;
}): Promise<Inspection> {
  const { pkcs8 } = input;
  const opened = await settle((async () => ({ pkcs8, algorithm: readAlgorithm(pkcs8) }))());
  return inspect(opened, input.certificate, input.now);
}

type Settled<T> = { readonly value: T } | { readonly problem: IdentityProblem };

async function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    if (error instanceof IdentityError) return { problem: error.problem };
    throw error;
  }
}

async function inspect(opened: Settled<OpenKey>, certificate: string, now: Date): Promise<Inspection> {
  const parsed = await settle(readCertificates(certificate));
  const pkcs8 = "value" in opened ? opened.value.pkcs8 : null;
  if (!("value" in opened) || !("value" in parsed)) {
    const problems = [opened, parsed].flatMap((result) => ("problem" in result ? [result.problem] : []));
    return { problems, warnings: [], identity: null, pkcs8, notAfter: null };
  }
  return { ...(await match(opened.value, parsed.value, now)), pkcs8 };
}

/** pkijs is large and of no use until something is signed. */
async function readCertificates(pem: string): Promise<readonly Certificate[]> {
  return parseCertificates(await import("./pkijs.ts"), pem);
}

async function match(
  open: OpenKey,
  given: readonly Certificate[],
  now: Date,
): Promise<Omit<Inspection, "pkcs8">> {
  const key = await importSigningKey(open);
  const candidates = await matching(open.algorithm, key, given);
  const [best] = candidates
    .map((certificate) => ({ certificate, problems: problemsOf(certificate, now) }))
    .toSorted(
      (left, right) =>
        left.problems.length - right.problems.length ||
        right.certificate.notAfter.getTime() - left.certificate.notAfter.getTime(),
    );
  if (best === undefined) {
    return { problems: [mismatch(given.length)], warnings: [], identity: null, notAfter: null };
  }
  const { certificate, problems } = best;
  const { addresses, notBefore, notAfter } = certificate;
  const warnings = warningsOf(open.algorithm, certificate, now);
  if (problems.length > 0) return { problems, warnings, identity: null, notAfter };
  const chain = orderChain(certificate, given);
  return {
    problems,
    warnings,
    identity: { algorithm: open.algorithm, key, chain, addresses, notBefore, notAfter },
    notAfter,
  };
}

function problemsOf(certificate: Certificate, now: Date): readonly IdentityProblem[] {
  return [usageProblem(certificate), dateProblem(certificate, now)].filter((problem) => problem !== null);
}

function mismatch(count: number): IdentityProblem {
  const subject =
    count === 1 ? "The certificate does not belong" : `None of the ${count} certificates belongs`;
  return certificateContent(
    "sign_mismatch",
    `${subject} to the private key: give the one issued for this key`,
  );
}

function warningsOf(algorithm: KeyAlgorithm, certificate: Certificate, now: Date): readonly Notice[] {
  const days = daysUntil(certificate.notAfter, now);
  const expiresSoon = days >= 0 && days < EXPIRES_SOON_DAYS;
  return [
    ...(expiresSoon ? [notice("expires_soon", "certificate", { days })] : []),
    ...(algorithm === "ed25519" ? [notice("rarely_verified", "private_key")] : []),
  ];
}

/** Whole days that are left; less than zero: it is over. */
export function daysUntil(date: Date, now: Date): number {
  return Math.floor((date.getTime() - now.getTime()) / DAY_MS);
}

/** The certificates whose public key verifies what the private key signs. */
async function matching(
  algorithm: KeyAlgorithm,
  key: CryptoKey,
  given: readonly Certificate[],
): Promise<readonly Certificate[]> {
  const { importParams, signParams } = SIGNING_ALGORITHMS[algorithm];
  const probe = new TextEncoder().encode("Does this certificate belong to this key?");
  const signature = await crypto.subtle.sign(signParams, key, probe);
  const verified = await Promise.all(
    given.map(async ({ publicKey }) => {
      try {
        const imported = await crypto.subtle.importKey("spki", publicKey, importParams, false, ["verify"]);
        return await crypto.subtle.verify(signParams, imported, signature, probe);
      } catch {
        // A key of another kind: runtimes refuse it at import or at verification.
        return false;
      }
    }),
  );
  return given.filter((_, index) => verified[index]);
}
