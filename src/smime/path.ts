import { type Notice, notice } from "../domain/notices.ts";
import type { Certificate } from "./certificate.ts";
import { equalBytes } from "./der.ts";
import { issuanceBy } from "./issuance.ts";
import { isSameName, nameText } from "./names.ts";
import { inspectPath, isFatal } from "./path-problems.ts";
import { earliestEnd } from "./validity.ts";

/** The path from a signer to its root, as far as the given certificates reach. */
export interface CertificatePath {
  /** The signer first, then the issuer of each. */
  readonly certificates: readonly Certificate[];
  /** Whether the last one is a root: signed by itself. */
  readonly hasRoot: boolean;
  readonly notices: readonly Notice[];
}

/**
 * Paths that are compared. Chains of authorities that have renewed or cross-signed each other have a few. A circle of 14
 * certificates that no runtime can verify has 25 million.
 */
const MAX_PATHS = 100;

/** The given certificates, and which of them issued which. */
export interface CertificateGraph {
  readonly given: readonly Certificate[];
  /** The possible issuers of each certificate, itself excepted. */
  readonly issuers: ReadonlyMap<Certificate, readonly Certificate[]>;
  readonly roots: ReadonlySet<Certificate>;
}

/**
 * Links certificates to those of their issuers, by verified signatures. Where this runtime cannot verify a signature, the name must do.
 * Certificates that are given twice count once.
 */
export async function linkCertificates(texts: readonly Certificate[]): Promise<CertificateGraph> {
  const given = texts.filter(
    (one, index) => index === texts.findIndex(({ der }) => equalBytes(der, one.der)),
  );
  const issuers = new Map<Certificate, readonly Certificate[]>();
  const roots = new Set<Certificate>();
  for (const certificate of given) {
    const issuances = await Promise.all(given.map((issuer) => issuanceBy(issuer, certificate)));
    const linked = (issuance: string) => given.filter((_, index) => issuances[index] === issuance);
    const verified = linked("verified");
    const found = verified.length > 0 ? verified : linked("unknown");
    if (found.includes(certificate)) roots.add(certificate);
    issuers.set(
      certificate,
      found.filter((issuer) => issuer !== certificate),
    );
  }
  return { given, issuers, roots };
}

/**
 * Chooses the path that most receivers can verify: a sound one before one that they reject, one that ends in a given root
 * before one that does not, then the one with the fewest notices, the longest, and the one that is valid longest.
 */
export function choosePath(signer: Certificate, graph: CertificateGraph, now: Date): CertificatePath {
  const ranked = [...pathsFrom([signer], graph).take(MAX_PATHS)].map((certificates) => {
    const hasRoot = graph.roots.has(certificates.at(-1) ?? signer);
    const notices = inspectPath(certificates, hasRoot, now);
    const fatal = notices.filter(isFatal).length;
    const end = earliestEnd(certificates).getTime();
    const rank = [fatal === 0, hasRoot, -fatal, -notices.length, certificates.length, end].map(Number);
    return { path: { certificates, hasRoot, notices }, rank };
  });
  const best = ranked.reduce((left, right) => (isAbove(right.rank, left.rank) ? right : left));
  return { ...best.path, notices: [...gapNotices(best.path, graph), ...best.path.notices] };
}

/** Yields all paths upward. An authority occurs once in a path, so that circles end (RFC 4158 5.2). */
function* pathsFrom(
  path: readonly Certificate[],
  graph: CertificateGraph,
): Generator<readonly Certificate[], void> {
  const last = path.at(-1);
  if (last === undefined || graph.roots.has(last)) return yield path;
  const found = graph.issuers.get(last) ?? [];
  const issuers = found.filter((issuer) => !path.some((certificate) => isSameAuthority(certificate, issuer)));
  if (issuers.length === 0) yield path;
  for (const issuer of issuers) yield* pathsFrom([...path, issuer], graph);
}

function isSameAuthority(left: Certificate, right: Certificate): boolean {
  return isSameName(left.subject, right.subject) && equalBytes(left.publicKey, right.publicKey);
}

function isAbove(left: readonly number[], right: readonly number[]): boolean {
  const index = left.findIndex((value, at) => value !== right[at]);
  return index >= 0 && (left[index] ?? 0) > (right[index] ?? 0);
}

/** Receivers have roots, but not the certificates between the signer and the root (RFC 8551 2.5). */
function gapNotices(
  { certificates, hasRoot }: Pick<CertificatePath, "certificates" | "hasRoot">,
  { roots }: CertificateGraph,
): readonly Notice[] {
  const last = certificates.at(-1);
  if (last === undefined || hasRoot) return [];
  const names = { subject: nameText(last.subject), issuer: nameText(last.issuer) };
  const [root] = roots;
  if (root) {
    return [notice("chain_root_unreached", "certificate", { ...names, root: nameText(root.subject) })];
  }
  return certificates.length > 1 ? [] : [notice("chain_incomplete", "certificate", names)];
}
