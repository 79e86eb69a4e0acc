import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Inspection, inspectIdentity } from "../../src/smime/identity.ts";
import { nameText } from "../../src/smime/names.ts";
import { SENDER } from "../fixtures/smime/authority.ts";
import {
  buildCertificate,
  type CertificateSpec,
  createKey,
  KEY_KINDS,
  mailLeaf,
} from "../fixtures/smime/build-certificate.ts";
import { fileText } from "../fixtures/smime/files.ts";

/** `LONG_TESTS=1` selects the long form. */
const RUNS = process.env.LONG_TESTS === "1" ? 2_000 : 60;
const NOW = new Date("2026-06-01T12:00:00Z");
const inspect = (privateKey: string, certificates: readonly string[], now = NOW) =>
  inspectIdentity({ privateKey, passphrase: "", certificate: certificates.join(""), now });
/** Inspects files with the key of `leaf.pem`. */
const inspectFiles = (names: readonly string[], now = NOW) =>
  inspect(fileText("leaf.key"), names.map(fileText), now);
const codesOf = ({ warnings, problems }: Inspection): string[] =>
  [...problems, ...warnings].map(({ code }) => code);
const textOf = ({ warnings }: Inspection) => warnings.map(({ text }) => text).join("\n");
const namesOf = (certificates: Inspection["path"]) => certificates.map(({ subject }) => nameText(subject));
const sentBy = ({ identity }: Inspection) => namesOf(identity?.chain ?? []);

describe("the path of", () => {
  const CASES: Readonly<
    Record<string, readonly [files: readonly string[], codes: readonly string[], says: RegExp]>
  > = {
    "a leaf alone lacks its issuer": [
      ["leaf.pem"],
      ["chain_incomplete"],
      /stops at CN=Sender.*CN=Test Issuing/,
    ],
    "a leaf and an unconnected root does not reach the root": [
      ["leaf.pem", "root.pem"],
      ["chain_root_unreached"],
      /stops at CN=Sender .*root CN=Test Root.*issuer CN=Test Issuing/,
    ],
    "a leaf, its issuer and another root does not reach that root": [
      ["leaf.pem", "issuing.pem", "stranger.pem"],
      ["chain_root_unreached"],
      /stops at CN=Test Issuing .*root CN=Other Root.*issuer CN=Test Root/,
    ],
    "a leaf with an expired issuer": [
      ["leaf.pem", "issuing-expired.pem"],
      ["chain_expired"],
      /CN=Test Issuing .*expired on 2025-12-01 00:00 UTC/,
    ],
    "a leaf with an issuer that is no authority": [
      ["leaf.pem", "issuing-not-ca.pem"],
      ["chain_not_authority"],
      /CN=Test Issuing .*basic constraints/,
    ],
    "a leaf, two authorities and a path length of 0": [
      ["leaf.pem", "issuing-below-policy.pem", "policy-pathlen-0.pem"],
      ["chain_path_length"],
      /CN=Test Policy allows 0 .*chain has 1/,
    ],
    "a leaf with an issuer for web servers": [
      ["leaf.pem", "issuing-web-only.pem"],
      ["chain_purpose"],
      /CN=Test Issuing may not issue certificates for email/,
    ],
    "a leaf for any purpose": [
      ["leaf-any-eku.pem", "issuing.pem"],
      ["any_purpose"],
      /CN=Sender .*emailProtection/,
    ],
    "a leaf whose serial number is long": [
      ["leaf-serial-24.pem", "issuing.pem"],
      ["long_serial"],
      /CN=Sender has 24 octets/,
    ],
    "a leaf signed with SHA-1": [["leaf-sha1.pem", "issuing.pem"], ["weak_hash"], /CN=Sender .*SHA-1/],
    "an authority that signs itself": [["selfsigned-ca.pem"], ["self_signed"], /by hand/],
  };
  for (const [name, [files, codes, says]] of Object.entries(CASES)) {
    test(`${name} is saved with a warning`, async () => {
      const inspection = await inspectFiles(files);
      expect(codesOf(inspection)).toEqual([...codes]);
      expect(textOf(inspection)).toMatch(says);
      expect(inspection.identity).not.toBeNull();
    });
  }

  test("a leaf and its issuer, with or without the root, gives no warning", async () => {
    for (const files of [
      ["leaf.pem", "issuing.pem"],
      ["root.pem", "issuing.pem", "leaf.pem", "issuing.pem"],
    ]) {
      const inspection = await inspectFiles(files);
      expect(codesOf(inspection)).toEqual([]);
      expect(sentBy(inspection)).toEqual(["CN=Sender", "CN=Test Issuing"]);
    }
  });

  test("a leaf leaves out a namesake of its issuer that has another key", async () => {
    const files = ["leaf.pem", "issuing-other-key.pem", "issuing.pem"];
    const { identity } = await inspectFiles(files);
    const { identity: expected } = await inspectFiles(["leaf.pem", "issuing.pem"]);
    expect(identity?.chain.map(({ der }) => der)).toEqual((expected?.chain ?? []).map(({ der }) => der));
  });

  test("a leaf leaves out strangers", async () => {
    const inspection = await inspectFiles(["leaf.pem", "stranger.pem", "issuing.pem", "root.pem"]);
    expect(codesOf(inspection)).toEqual([]);
    expect(namesOf(inspection.path)).toEqual(["CN=Sender", "CN=Test Issuing", "CN=Test Root"]);
  });

  test("a cross-signed issuer ends in the root that was given", async () => {
    for (const root of ["CN=Test Root", "CN=Other Root"]) {
      const file = root === "CN=Test Root" ? "root.pem" : "stranger.pem";
      const { path } = await inspectFiles(["leaf.pem", "issuing-cross.pem", "issuing.pem", file]);
      expect(namesOf(path)).toEqual(["CN=Sender", "CN=Test Issuing", root]);
    }
  });
});

describe("a path of made certificates", () => {
  const LEAF = createKey();
  const PEM = LEAF.export({ type: "pkcs8", format: "pem" }).toString();
  const [ROOT, A, B, OTHER] = [createKey(), createKey(), createKey(), createKey()];
  const root = (changes: Partial<CertificateSpec> = {}) =>
    buildCertificate({ subject: "Root", issuer: "Root", key: ROOT, signedBy: ROOT, ...changes });
  const a = (changes: Partial<CertificateSpec> = {}) =>
    buildCertificate({ subject: "A", issuer: "Root", key: A, signedBy: ROOT, ...changes });
  const leaf = (changes: Partial<CertificateSpec> = {}) =>
    buildCertificate({
      ...{ subject: "Leaf", issuer: "A", key: LEAF, signedBy: A },
      ...mailLeaf(SENDER),
      ...changes,
    });

  const FLAWS: Readonly<
    Record<string, readonly [code: string | null, certificates: () => readonly string[]]>
  > = {
    "has a gap in the middle": [
      "chain_root_unreached",
      () => [leaf(), a({ issuer: "B", signedBy: B }), root()],
    ],
    "has an authority that is not valid yet": [
      "chain_not_yet_valid",
      () => [leaf(), a({ notBefore: new Date("2026-06-01T12:00:01Z") }), root()],
    ],
    "has a root that has expired": [
      "chain_expired",
      () => [leaf(), a(), root({ notAfter: new Date("2026-06-01T11:59:59Z") })],
    ],
    "has a root that expires soon": [
      "chain_expires_soon",
      () => [leaf(), a(), root({ notAfter: new Date("2026-06-11T12:00:00Z") })],
    ],
    "has an authority that may not sign certificates": [
      "chain_key_usage",
      () => [leaf(), a({ keyUsage: 0x80 }), root()],
    ],
    "has a root for web servers": [
      "chain_purpose",
      () => [leaf(), a(), root({ purposes: ["1.3.6.1.5.5.7.3.1"] })],
    ],
    "has an authority for other hosts": [
      "chain_name",
      () => [leaf(), a({ permitted: ["example.net"] }), root()],
    ],
    "has an authority for subdomains only": [
      "chain_name",
      () => [leaf(), a({ permitted: [".example.org"] }), root()],
    ],
    "has a root that excludes the host": [
      "chain_name",
      () => [leaf(), a(), root({ excluded: ["example.org"] })],
    ],
    "has an authority for other subjects": [
      "chain_name",
      () => [leaf(), a({ permittedName: "Else" }), root()],
    ],
    "has a leaf with a critical extension that no one knows": [
      "critical_extension",
      () => [leaf({ critical: ["1.2.3.4"] }), a(), root()],
    ],
    "has a leaf that is a proxy certificate": [
      "critical_extension",
      () => [leaf({ critical: ["1.3.6.1.5.5.7.1.14"] }), a(), root()],
    ],
    "has an authority with a critical extension that no one knows": [
      "critical_extension",
      () => [leaf(), a({ critical: ["1.2.3.4"] }), root()],
    ],
    "has critical extensions that OpenSSL processes": [
      null,
      () => [leaf({ critical: ["2.5.29.32", "2.5.29.31"] }), a({ critical: ["2.5.29.54"] }), root()],
    ],
    "has an authority for this host and mailbox": [
      null,
      () => [leaf(), a({ permitted: ["EXAMPLE.org"], permittedName: "leaf" }), root({ permitted: [SENDER] })],
    ],
    "has an authority for any purpose": [
      "any_purpose",
      () => [leaf(), a({ purposes: ["2.5.29.37.0"] }), root()],
    ],
    "has a path length that is just enough": [
      null,
      () => [leaf(), a({ pathLength: 0 }), root({ pathLength: 1 })],
    ],
    "has a root without extensions but its key usage": [
      null,
      () => [leaf(), a(), root({ isAuthority: null })],
    ],
    "has an authority without basic constraints": [
      "chain_not_authority",
      () => [leaf(), a({ isAuthority: null }), root()],
    ],
    "has a root's new key without basic constraints": [
      "chain_not_authority",
      () => [leaf({ issuer: "Root" }), a({ subject: "Root", isAuthority: null }), root()],
    ],
    "has a root's new key": [null, () => [leaf({ issuer: "Root" }), a({ subject: "Root" }), root()]],
  };
  for (const [name, [code, certificates]] of Object.entries(FLAWS)) {
    test(`that ${name} ${code === null ? "gives no warning" : `gives ${code}`}`, async () => {
      expect(codesOf(await inspect(PEM, certificates()))).toEqual(code === null ? [] : [code]);
    });
  }

  test("names the last certificate and its issuer, if there is a gap in the middle", async () => {
    const inspection = await inspect(PEM, [root(), a({ issuer: "B", signedBy: B }), leaf()]);
    expect(textOf(inspection)).toMatch(/stops at CN=A .*root CN=Root: add .* CN=B\./);
  });

  test.each([...KEY_KINDS, "pss"] as const)(
    "has the issuer that signed, among namesakes with %s keys",
    async (kind) => {
      const pss = kind === "pss";
      const keys = [1, 2, 3].map(() => createKey(pss ? "rsa" : kind));
      const namesakes = keys.map((key) => a({ key }));
      for (const [index, signedBy] of keys.entries()) {
        const { path } = await inspect(PEM, [leaf({ signedBy, pss }), ...namesakes, root()]);
        const issuer = path[1]?.der.toBase64();
        expect(issuer).toBe(namesakes[index]?.replace(/-----.*-----|\n/g, ""));
        expect(path).toHaveLength(3);
      }
    },
  );

  test("has no issuer that has only the name", async () => {
    const inspection = await inspect(PEM, [leaf(), a({ key: OTHER })]);
    expect(codesOf(inspection)).toEqual(["chain_incomplete"]);
  });

  test("has the renewed authority next to the expired one, in either order", async () => {
    const [expired, renewed] = [a({ notAfter: new Date("2026-01-01T00:00:00Z") }), a()];
    for (const authorities of [
      [expired, renewed],
      [renewed, expired],
    ]) {
      const inspection = await inspect(PEM, [leaf(), ...authorities, root()]);
      expect(codesOf(inspection)).toEqual([]);
    }
  });

  test("goes through an authority that changed its key", async () => {
    // The root signs its own new key, under its own name.
    const rekeyed = root({ key: B, signedBy: ROOT, pathLength: 1 });
    const inspection = await inspect(PEM, [
      leaf(),
      a({ signedBy: B, pathLength: 0 }),
      rekeyed,
      root({ pathLength: 1 }),
    ]);
    expect(codesOf(inspection)).toEqual([]);
    expect(namesOf(inspection.path)).toEqual(["CN=Leaf", "CN=A", "CN=Root", "CN=Root"]);
  });

  test("ends where authorities sign each other in a circle", async () => {
    const circle = Array.from({ length: 5 }, () => [
      a({ issuer: "B", signedBy: B }),
      a({ subject: "B", key: B, issuer: "A", signedBy: A }),
      a({ issuer: "A", signedBy: A, subject: "Loop", key: OTHER }),
    ]).flat();
    const { path, warnings } = await inspect(PEM, [leaf(), ...circle]);
    expect(namesOf(path)).toEqual(["CN=Leaf", "CN=A", "CN=B"]);
    expect(warnings).toEqual([]);
  });

  test("is found within seconds among authorities that only their names link", async () => {
    // No runtime verifies their signatures, so that each A may have issued each B, and each B each A.
    const circle = Array.from({ length: 7 }, () => [
      a({ key: createKey(), issuer: "B", sha224: true }),
      a({ key: createKey(), subject: "B", issuer: "A", sha224: true }),
    ]).flat();
    const started = performance.now();
    const { path } = await inspect(PEM, [leaf({ sha224: true }), ...circle, root()]);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(namesOf(path).slice(0, 2)).toEqual(["CN=Leaf", "CN=A"]);
  });

  test("is found within seconds if an authority has thousands of constraints, and the signer thousands of addresses", async () => {
    const addresses = Array.from({ length: 2_000 }, (_, index) => `a${index}@b.example`);
    const excluded = Array.from({ length: 2_000 }, (_, index) => `${index}@d.example`);
    const [last = ""] = addresses.slice(-1);
    const started = performance.now();
    const certificates = [leaf({ addresses }), a({ excluded: [...excluded, last.toUpperCase()] }), root()];
    expect(codesOf(await inspect(PEM, certificates))).toEqual([]);
    const named = [leaf({ addresses }), a({ excluded: [...excluded, last] }), root()];
    expect(codesOf(await inspect(PEM, named))).toEqual(["chain_name"]);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test("is the sound one of two certificates for the same key", async () => {
    const incomplete = leaf({ issuer: "Gone", signedBy: OTHER, notAfter: new Date("2049-12-31T23:59:59Z") });
    const complete = leaf({ notAfter: new Date("2030-01-01T00:00:00Z") });
    const { path } = await inspect(PEM, [incomplete, complete, a(), root()]);
    expect(namesOf(path)).toEqual(["CN=Leaf", "CN=A", "CN=Root"]);
  });

  test("is longer if that does not cost the root: the receivers of either root can verify it", async () => {
    const cross = root({ issuer: "B", signedBy: B });
    const top = root({ subject: "B", issuer: "B", key: B, signedBy: B });
    const { path } = await inspect(PEM, [leaf(), a(), root(), cross, top]);
    expect(namesOf(path)).toEqual(["CN=Leaf", "CN=A", "CN=Root", "CN=B"]);
  });

  test("has an issuer of another spelling, but the same name", async () => {
    expect(codesOf(await inspect(PEM, [leaf({ issuer: " a  " }), a(), root()]))).toEqual([]);
  });

  test("of an authority that is not its own issuer cannot sign", async () => {
    expect(codesOf(await inspect(PEM, [leaf({ isAuthority: true }), a(), root()]))).toEqual(["sign_usage"]);
  });

  test("of damaged authorities gives problems or notices, never an exception", async () => {
    const constraints = {
      permitted: ["example.org", SENDER],
      excluded: [".example.net"],
      permittedName: "Leaf",
    };
    const pem = a({ ...constraints, pathLength: 3, keyIdentifiers: true, purposes: ["2.5.29.37.0"] });
    const der = Uint8Array.fromBase64(pem.replace(/-----.*-----|\s/g, ""));
    const changes = fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
    const property = fc.asyncProperty(changes, async (damage) => {
      const damaged = der.slice();
      for (const [at, octet] of damage) damaged[at] = octet;
      const text = `-----BEGIN CERTIFICATE-----\n${damaged.toBase64()}\n-----END CERTIFICATE-----\n`;
      const { problems, path } = await inspect(PEM, [leaf(), text, a(), root()]);
      expect(problems.length > 0 || path.length > 0).toBe(true);
    });
    await fc.assert(property, { numRuns: RUNS });
  }, 300_000);
});
