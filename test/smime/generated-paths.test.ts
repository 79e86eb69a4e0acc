import { expect, test } from "bun:test";
import fc from "fast-check";
import { inspectIdentity } from "../../src/smime/identity.ts";
import { SENDER } from "../fixtures/smime/authority.ts";
import {
  buildCertificate,
  type CertificateSpec,
  createKey,
  mailLeaf,
} from "../fixtures/smime/build-certificate.ts";
import { isInstalled, run, scratchFile } from "../fixtures/smime/openssl.ts";

/** `LONG_TESTS=1` selects the long form. */
const RUNS = process.env.LONG_TESTS === "1" ? 3_000 : 80;
/** More rounds than one run only if a kind of path is missing. */
const MAX_ROUNDS = 4;
const NOW = new Date("2026-06-01T12:00:00Z");
const NAMES = ["A", "B", "C"] as const;
/** Two keys of each authority: one before and one after it changed its key. */
const KEYS = NAMES.flatMap(() => [createKey(), createKey()]);
const LEAF_KEY = createKey();
const LEAF = buildCertificate({
  ...{ subject: "Leaf", issuer: "A", key: LEAF_KEY, signedBy: keyOf("A", 0) },
  ...mailLeaf(SENDER),
  keyIdentifiers: true,
});

/** What an authority may have. All but the first three are flaws, here or there in a path. */
const CHANGES: readonly Partial<CertificateSpec>[] = [
  {},
  { pathLength: 1 },
  { permitted: ["example.org"] },
  { pathLength: 0 },
  { notAfter: new Date("2026-05-01T00:00:00Z") },
  { notBefore: new Date("2027-01-01T00:00:00Z") },
  { isAuthority: false },
  { isAuthority: null },
  { keyUsage: 0x80 },
  { purposes: ["1.3.6.1.5.5.7.3.1"] },
  { permitted: ["example.net"] },
  { excluded: ["example.org"] },
  { permittedName: "Else" },
];

interface Given {
  readonly pem: string;
  readonly isRoot: boolean;
}

function keyOf(name: string, generation: number) {
  return KEYS[NAMES.findIndex((one) => one === name) * 2 + generation] ?? LEAF_KEY;
}

const change = fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, fc.constantFrom(...CHANGES));
/** A certificate of an authority: a link, a root, a cross-sign, a new key, or a stranger. */
const authority = fc
  .record({
    ...{ subject: fc.constantFrom(...NAMES), issuer: fc.constantFrom(...NAMES) },
    ...{ own: fc.nat(1), by: fc.nat(1), change },
  })
  .map(authorityOf);
/** One to three links from the issuer of the signer to a root, of which some may be missing. */
const links = fc.tuple(fc.nat(2), change, change, change).chain(([last, ...changes]) =>
  fc.shuffledSubarray(
    NAMES.slice(0, last + 1).map((subject, index) =>
      authorityOf({
        ...{ subject, issuer: NAMES[Math.min(index + 1, last)] ?? subject, own: 0, by: 0 },
        change: changes[index] ?? {},
      }),
    ),
    { minLength: last },
  ),
);

function authorityOf(one: {
  readonly subject: string;
  readonly issuer: string;
  /** Which of the two keys it has, and signs it. */
  readonly own: number;
  readonly by: number;
  readonly change: Partial<CertificateSpec>;
}): Given {
  const { subject, issuer, own, by, change } = one;
  const keys = { key: keyOf(subject, own), signedBy: keyOf(issuer, by) };
  const pem = buildCertificate({ subject, issuer, ...keys, keyIdentifiers: true, ...change });
  return { pem, isRoot: subject === issuer && own === by };
}

/** Texts of up to 15 certificates: shuffled, some twice, the signer anywhere. */
const texts = fc
  .tuple(links, fc.array(authority, { maxLength: 4 }))
  .map((lists) => lists.flat())
  .chain((given) =>
    fc.record({
      given: fc.constant(given),
      doubles: fc.subarray(given),
      order: fc.array(fc.nat(), { minLength: 15, maxLength: 15 }),
    }),
  )
  .map(({ given, doubles, order }) => {
    const all = [LEAF, ...given.map(({ pem }) => pem), ...doubles.map(({ pem }) => pem)];
    const shuffled = all
      .map((pem, index) => ({ pem, rank: order[index] ?? 0 }))
      .toSorted((left, right) => left.rank - right.rank);
    return { given, certificate: shuffled.map(({ pem }) => pem).join("") };
  });

/** Whether `openssl verify` accepts the signer with this root and these certificates. */
async function accepts(root: string, certificates: readonly string[]): Promise<boolean> {
  const at = String(NOW.getTime() / 1000);
  const command = ["openssl", "verify", "-purpose", "smimesign", "-attime", at];
  const untrusted = certificates.length > 0 ? ["-untrusted", scratchFile(certificates.join(""))] : [];
  return (await run([...command, "-CAfile", scratchFile(root), ...untrusted, scratchFile(LEAF)])).code === 0;
}

const toPem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${der.toBase64().replace(/.{64}/g, "$&\n").trim()}\n-----END CERTIFICATE-----\n`;

test.skipIf(!isInstalled("openssl"))(
  "a path of generated certificates is one that openssl accepts, or openssl accepts none",
  async () => {
    const privateKey = LEAF_KEY.export({ type: "pkcs8", format: "pem" }).toString();
    const seen = { accepted: 0, flawed: 0, gap: 0 };
    const property = fc.asyncProperty(texts, async ({ given, certificate }) => {
      const input = { privateKey, passphrase: "", certificate, now: NOW };
      const { path, warnings, identity } = await inspectIdentity(input);
      const [codes, sent] = [warnings.map(({ code }) => code), identity?.chain.map(({ der }) => toPem(der))];
      const pems = path.map(({ der }) => toPem(der));
      const roots = new Set(given.filter(({ isRoot }) => isRoot).map(({ pem }) => pem));
      const [root, isReached] = [pems.at(-1) ?? "", roots.has(pems.at(-1) ?? "")];

      expect(pems[0]).toBe(LEAF);
      expect(sent).toEqual(isReached ? pems.slice(0, -1) : pems);
      const gap = codes.filter((code) => code === "chain_incomplete" || code === "chain_root_unreached");
      const expected =
        roots.size > 0 ? "chain_root_unreached" : pems.length === 1 ? "chain_incomplete" : null;
      expect(gap.join()).toBe(isReached ? "" : (expected ?? ""));

      if (isReached && codes.length === 0) {
        seen.accepted += 1;
        expect(await accepts(root, pems.slice(1, -1))).toBe(true);
        return;
      }
      for (const one of roots)
        expect(
          await accepts(
            one,
            given.map(({ pem }) => pem),
          ),
        ).toBe(false);
      seen[isReached ? "flawed" : "gap"] += 1;
    });
    const rarest = () => Math.min(...Object.values(seen));
    // About one path in twelve is flawed, so that one run in some hundreds has none.
    for (let round = 0; round === 0 || (rarest() === 0 && round < MAX_ROUNDS); round++)
      await fc.assert(property, { numRuns: RUNS });
    // None of the three may be missing from what was generated.
    expect(rarest()).toBeGreaterThan(0);
  },
  600_000,
);
