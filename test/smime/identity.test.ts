import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Inspection, inspectIdentity, loadIdentity } from "../../src/smime/identity.ts";
import { asRsaEncryption } from "../../src/smime/rsa-pss.ts";
import {
  authorities,
  type Issue,
  issue,
  leaf,
  MAIL_EXTENSIONS,
  mailExtensions,
  NOW,
  SENDER,
  sender,
} from "../fixtures/smime/authority.ts";
import { ALGORITHMS, convert, encrypt, generate, PASSPHRASE, privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";

const withOpenssl = test.skipIf(!isInstalled("openssl"));

async function inspect(
  privateKeyPem: string,
  certificate: string,
  now = NOW,
  passphrase = "",
): Promise<Inspection> {
  return inspectIdentity({ privateKey: privateKeyPem, passphrase, certificate, now });
}

/** Returns the problems of a certificate that differs from a good one in the given fields. */
async function problemWith(changes: Partial<Issue>, now = NOW): Promise<Inspection["problems"]> {
  const key = await privateKey("p256");
  const { problems, identity } = await inspect(key, await leaf({ key, ...changes }), now);
  expect(identity).toBeNull();
  return problems;
}

/** Returns the key under the algorithm rsaEncryption, as programs without RSASSA-PSS write it. */
function asPlainRsa(pem: string): string {
  const der = asRsaEncryption(Uint8Array.fromBase64(pem.replace(/-----[^-]+-----/g, "")));
  return `-----BEGIN PRIVATE KEY-----\n${der.toBase64()}\n-----END PRIVATE KEY-----\n`;
}

describe("inspectIdentity() accepts", () => {
  for (const algorithm of ALGORITHMS) {
    withOpenssl(`a ${algorithm} key with its certificate`, async () => {
      const { key, certificate } = await sender(algorithm);
      const { problems, identity, pkcs8 } = await inspect(key, certificate);
      expect(problems).toEqual([]);
      expect(identity?.algorithm).toBe(algorithm);
      expect(identity?.addresses).toEqual([SENDER]);
      expect(identity?.notAfter).toEqual(new Date("2049-12-31T23:59:59Z"));
      expect(pkcs8).not.toBeNull();
    });
  }

  for (const algorithm of ["pss256", "pss384"] as const) {
    withOpenssl(`an RSASSA-PSS key with its certificate, ${algorithm}`, async () => {
      const { key, certificate } = await sender(algorithm);
      const { problems, identity } = await inspect(key, certificate);
      expect(problems).toEqual([]);
      expect(identity?.algorithm).toBe(algorithm);
    });
  }

  withOpenssl(
    "RSASSA-PSS for an RSA key where the certificate requires it, or the definition asks",
    async () => {
      const { key, certificate } = await sender("rsa");
      const asked = { privateKey: key, passphrase: "", certificate, pss: true, now: NOW };
      expect((await inspectIdentity(asked)).identity?.algorithm).toBe("pss256");
      const required = await sender("pss384");
      const plain = asPlainRsa(required.key);
      expect((await inspect(plain, required.certificate)).identity?.algorithm).toBe("pss384");
      const other = await sender("p256");
      const curve = { privateKey: other.key, passphrase: "", certificate: other.certificate, pss: true };
      expect((await inspectIdentity({ ...curve, now: NOW })).identity?.algorithm).toBe("p256");
    },
  );

  withOpenssl("the chain in any order, and puts it signer first, without the root", async () => {
    const { key, certificate, intermediate, root } = await sender("rsa");
    const texts = [certificate, intermediate.certificate, root.certificate];
    const [a, b, c] = texts as [string, string, string];
    const straight = (await inspect(key, a + b + c)).identity?.chain.map(({ der }) => der);
    for (const order of [a + c + b, b + a + c, b + c + a, c + a + b, c + b + a]) {
      expect((await inspect(key, order)).identity?.chain.map(({ der }) => der)).toEqual(straight);
    }
    expect(straight).toHaveLength(2);
  });

  withOpenssl("strangers in the text, and leaves them out", async () => {
    const { key, certificate } = await sender("p256");
    const stranger = await leaf({ key: await privateKey("p256", "stranger"), subject: "/CN=Stranger" });
    expect((await inspect(key, stranger + certificate)).identity?.chain).toHaveLength(1);
  });

  withOpenssl("an expired and a renewed certificate of the same key, and takes the renewed", async () => {
    const key = await privateKey("p256");
    const expired = await leaf({ key, notAfter: "20210101000000Z" });
    const { identity, problems } = await inspect(key, expired + (await leaf({ key })));
    expect(problems).toEqual([]);
    expect(identity?.notAfter.getUTCFullYear()).toBe(2049);
  });

  const HARMLESS: Readonly<Record<string, readonly string[]>> = {
    "no key usage": mailExtensions("keyUsage", null),
    "no extended key usage": mailExtensions("extendedKeyUsage", null),
    "any extended key usage": mailExtensions("extendedKeyUsage", "anyExtendedKeyUsage"),
    "nonRepudiation alone": mailExtensions("keyUsage", "critical,nonRepudiation"),
    "no basic constraints": mailExtensions("basicConstraints", null),
  };
  for (const [name, lines] of Object.entries(HARMLESS)) {
    withOpenssl(`a certificate with ${name}`, async () => {
      const key = await privateKey("p256");
      expect((await inspect(key, await leaf({ key, extensions: lines }))).problems).toEqual([]);
    });
  }

  withOpenssl("a certificate that signs itself", async () => {
    const key = await privateKey("p256");
    const own = await issue({ key, subject: "/CN=Own", extensions: MAIL_EXTENSIONS });
    expect((await inspect(key, own)).identity?.chain).toHaveLength(1);
  });
});

describe("inspectIdentity() rejects", () => {
  withOpenssl("a certificate with explicit curve parameters, and says so", async () => {
    const explicit = await generate(
      ...["EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
    );
    const certificate = await leaf({ key: explicit });
    const named = await convert(explicit, "ec", "-param_enc", "named_curve");
    const { intermediate } = await authorities();
    const { problems } = await inspect(named, certificate + intermediate.certificate);
    expect(problems).toMatchObject([{ code: "sign_mismatch", kind: "content" }]);
    expect(problems[0]?.reason).toMatch(
      /explicit curve parameters: request one for a key with a named curve/,
    );
  });

  for (const other of ALGORITHMS) {
    withOpenssl(`a p256 key with the certificate of another ${other} key`, async () => {
      const certificate = await leaf({ key: await privateKey(other, "other") });
      const { problems, identity, pkcs8 } = await inspect(await privateKey("p256"), certificate);
      expect(problems).toMatchObject([{ code: "sign_mismatch", parameter: "certificate", kind: "content" }]);
      expect(identity).toBeNull();
      expect(pkcs8).not.toBeNull();
    });
  }

  withOpenssl("an expired certificate, and says since when", async () => {
    const [problem, ...others] = await problemWith({ notAfter: "20250131000000Z" });
    expect(problem).toMatchObject({ code: "sign_expired", parameter: "certificate", kind: "content" });
    expect(problem?.reason).toContain("2025-01-31");
    expect(others).toEqual([]);
  });

  withOpenssl("a certificate that is not yet valid", async () => {
    const [problem] = await problemWith({ notBefore: "20270101000000Z" });
    expect(problem).toMatchObject({ code: "sign_expired", kind: "content" });
    expect(problem?.reason).toContain("not valid before 2027-01-01");
  });

  const USAGES: Readonly<Record<string, readonly string[]>> = {
    "a certificate for TLS servers only": mailExtensions("extendedKeyUsage", "serverAuth"),
    "a certificate whose key may only encrypt": mailExtensions("keyUsage", "critical,keyEncipherment"),
    "the certificate of an authority": mailExtensions("basicConstraints", "critical,CA:TRUE"),
  };
  for (const [name, lines] of Object.entries(USAGES)) {
    withOpenssl(name, async () => {
      const problems = await problemWith({ extensions: lines });
      expect(problems).toMatchObject([{ code: "sign_usage", parameter: "certificate", kind: "content" }]);
    });
  }

  withOpenssl("an extension that cannot be read, rather than taking it for absent", async () => {
    const problems = await problemWith({ extensions: mailExtensions("extendedKeyUsage", "DER:0500") });
    expect(problems).toMatchObject([{ code: "sign_no_key", parameter: "certificate", kind: "form" }]);
  });

  withOpenssl("a key and a certificate that are both wrong, and reports both", async () => {
    const { problems } = await inspect("nothing", "nothing");
    expect(problems).toMatchObject([
      { parameter: "private_key", kind: "form" },
      { parameter: "certificate", kind: "form" },
    ]);
  });

  withOpenssl("a wrong passphrase, and shows neither passphrase nor key", async () => {
    const { key, certificate } = await sender("p256");
    const encrypted = await encrypt(key, ["-v2", "aes-256-cbc"], "s3cret-s3cret");
    const { problems, pkcs8 } = await inspect(encrypted, certificate, NOW, PASSPHRASE);
    expect(problems).toMatchObject([{ code: "sign_passphrase", parameter: "private_key_password" }]);
    expect(JSON.stringify(problems)).not.toContain(PASSPHRASE);
    expect(pkcs8).toBeNull();
  });

  const CERTIFICATE_FORMS: Readonly<
    Record<string, readonly [make: (pem: string) => Promise<string> | string, says: RegExp]>
  > = {
    "text that is not PEM": [() => "MIIB", /neither PEM nor a PKCS#12 file/],
    "trailing bytes after a certificate": [(pem) => appendOctet(pem), /Certificate 1 .*damaged/],
    "a private key among the certificates": [
      async (pem) => pem + (await privateKey("p256")),
      /private key: move it/,
    ],
    "a trusted certificate": [(pem) => convert(pem, "x509", "-trustout"), /openssl x509 -in/],
    "PKCS#7 without certificates": [
      (pem) => pem.replaceAll("CERTIFICATE", "PKCS7"),
      /PKCS#7 without certificates/,
    ],
    "a key instead of the certificate": [() => privateKey("p256"), /private key: move it/],
    "seventeen certificates": [(pem) => pem.repeat(17), /more than 16/],
  };
  for (const [name, [make, says]] of Object.entries(CERTIFICATE_FORMS)) {
    withOpenssl(name, async () => {
      const { key, certificate } = await sender("p256");
      const { problems } = await inspect(key, await make(certificate));
      expect(problems).toMatchObject([{ code: "sign_no_key", parameter: "certificate", kind: "form" }]);
      expect(problems[0]?.reason).toMatch(says);
    });
  }

  withOpenssl("an absent certificate, as no matter of form", async () => {
    const { problems, pkcs8 } = await inspect((await sender("p256")).key, "");
    expect(problems).toMatchObject([{ code: "sign_no_key", parameter: "certificate", kind: "content" }]);
    expect(pkcs8).not.toBeNull();
  });

  function appendOctet(pem: string): string {
    const der = Uint8Array.fromBase64(pem.replace(/-----.*-----/g, "").trim());
    const longer = new Uint8Array([...der, 0]);
    return `-----BEGIN CERTIFICATE-----\n${longer.toBase64()}\n-----END CERTIFICATE-----\n`;
  }
});

describe("inspectIdentity() of damaged bytes", () => {
  /** PEM texts with a few changed bytes, or cut off. */
  function damaged(
    pem: string,
    changes: readonly (readonly [at: number, octet: number])[],
    length: number,
  ): string {
    const label = /-----BEGIN (.*)-----/.exec(pem)?.[1];
    const der = Uint8Array.fromBase64(pem.replace(/-----.*-----/g, "").trim());
    for (const [at, octet] of changes) der[at % der.length] = octet;
    const base64 = der.subarray(0, Math.max(1, der.length - length)).toBase64();
    return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
  }
  const changes = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 4 });
  const cut = fc.oneof(fc.constant(0), fc.nat(200));

  for (const form of ["PKCS#8", "SEC1", "encrypted"] as const) {
    withOpenssl(`of a ${form} key gives problems, never an exception`, async () => {
      const { key, certificate } = await sender("p256");
      const sec1 = await convert(key, "pkey", "-traditional");
      const encrypted = await encrypt(key, ["-v2", "aes-256-cbc"]);
      const pem = { "PKCS#8": key, SEC1: sec1, encrypted }[form];
      await fc.assert(
        fc.asyncProperty(changes, cut, async (where, length) => {
          const { problems, identity } = await inspect(damaged(pem, where, length), certificate);
          expect(identity === null).toBe(problems.length > 0);
        }),
        { numRuns: 300 },
      );
    });
  }

  withOpenssl("of a certificate gives problems, never an exception", async () => {
    const { key, certificate } = await sender("p256");
    await fc.assert(
      fc.asyncProperty(changes, cut, async (where, length) => {
        const { problems, identity } = await inspect(key, damaged(certificate, where, length));
        expect(identity === null).toBe(problems.length > 0);
      }),
      { numRuns: 300 },
    );
  });

  withOpenssl("nested as deep as a body may be gives problems, never an exception", async () => {
    const { key, certificate } = await sender("p256");
    const nested = new Uint8Array(150_000).fill(0x30).map((octet, index) => (index % 2 === 0 ? octet : 0x80));
    const pem = (label: string) => `-----BEGIN ${label}-----\n${nested.toBase64()}\n-----END ${label}-----\n`;
    expect((await inspect(pem("PRIVATE KEY"), certificate)).problems).toHaveLength(1);
    expect((await inspect(key, pem("CERTIFICATE"))).problems).toHaveLength(1);
  });
});

describe("inspectIdentity() warns", () => {
  withOpenssl("in the last 30 days of a certificate, not before", async () => {
    const key = await privateKey("p256");
    const { intermediate } = await authorities();
    const certificate = (await leaf({ key, notAfter: "20260701000000Z" })) + intermediate.certificate;
    const codes = async (now: string) =>
      (await inspect(key, certificate, new Date(now))).warnings.map(({ code }) => code);
    expect(await codes("2026-05-31T00:00:00Z")).toEqual([]);
    expect(await codes("2026-06-02T00:00:01Z")).toEqual(["expires_soon"]);
    expect(await codes("2026-06-30T23:00:00Z")).toEqual(["expires_soon"]);
  });

  withOpenssl("of a passphrase for a key that has none", async () => {
    const { key, certificate } = await sender("p256");
    const unused = { code: "passphrase_unused", parameter: "private_key_password" };
    const warningsOf = async (text: string) => (await inspect(text, certificate, NOW, PASSPHRASE)).warnings;
    expect(await warningsOf(key)).toContainEqual(expect.objectContaining(unused));
    const encrypted = await encrypt(key, ["-v2", "aes-256-cbc"]);
    expect(await warningsOf(encrypted)).not.toContainEqual(expect.objectContaining(unused));
  });

  withOpenssl("of Ed25519 and of nothing else", async () => {
    for (const algorithm of ALGORITHMS) {
      const { key, certificate, intermediate } = await sender(algorithm);
      const codes = (await inspect(key, certificate + intermediate.certificate)).warnings.map(
        ({ code }) => code,
      );
      expect(codes).toEqual(algorithm === "ed25519" ? ["rarely_verified"] : []);
    }
  });
});

describe("loadIdentity()", () => {
  withOpenssl("loads the key that inspectIdentity() decrypted", async () => {
    const { key, certificate } = await sender("rsa");
    const { pkcs8 } = await inspect(await encrypt(key, ["-scrypt"]), certificate, NOW, PASSPHRASE);
    const { identity, problems } = await loadIdentity({ pkcs8: pkcs8!, certificate, now: NOW });
    expect(problems).toEqual([]);
    expect(identity?.algorithm).toBe("rsa");
  });

  withOpenssl("refuses a certificate that has expired since", async () => {
    const { key, certificate } = await sender("p256");
    const { pkcs8 } = await inspect(key, certificate);
    const later = new Date("2050-01-01T00:00:00Z");
    const { identity, problems } = await loadIdentity({ pkcs8: pkcs8!, certificate, now: later });
    expect(problems).toMatchObject([{ code: "sign_expired" }]);
    expect(identity).toBeNull();
  });
});
