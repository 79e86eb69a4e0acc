import { describe, expect, test } from "bun:test";
import { type Der, objectIdentifier, sequence, TAG, tlv, unsignedInteger } from "../../src/smime/der.ts";
import { importSigningKey, readAlgorithm, readPrivateKey } from "../../src/smime/keys.ts";
import type { IdentityProblem } from "../../src/smime/problem.ts";
import { IdentityError } from "../../src/smime/problem.ts";
import { ALGORITHMS, convert, encrypt, generate, PASSPHRASE, privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl, run, scratch, scratchFile } from "../fixtures/smime/openssl.ts";

const withOpenssl = test.skipIf(!isInstalled("openssl"));

async function problemOf(pem: string, passphrase = PASSPHRASE): Promise<IdentityProblem | null> {
  try {
    await readPrivateKey(pem, passphrase);
    return null;
  } catch (error) {
    if (error instanceof IdentityError) return error.problem;
    throw error;
  }
}

/** Returns the key as openssl prints it. */
async function publicKeyOf(pkcs8: Uint8Array): Promise<string> {
  return openssl("pkey", "-inform", "DER", "-in", scratchFile(pkcs8), "-pubout");
}

const ENCRYPTIONS: Readonly<Record<string, readonly string[]>> = {
  "PBKDF2-SHA256 and AES-256": ["-v2", "aes-256-cbc"],
  "PBKDF2-SHA1 and AES-128": ["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
  "PBKDF2-SHA384 and AES-192": ["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384"],
  "PBKDF2-SHA512 and AES-256": ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
  "600 000 iterations": ["-v2", "aes-256-cbc", "-iter", "600000"],
  scrypt: ["-scrypt"],
  "PBKDF2-SHA224 and AES-256": ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA224"],
  "PBKDF2-SHA512/256 and AES-256": ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512-256"],
  "triple DES": ["-v2", "des3"],
  "PBES1 with triple DES": ["-v1", "PBE-SHA1-3DES"],
  "PBES1 with two-key triple DES": ["-v1", "PBE-SHA1-2DES"],
};
/** Written by OpenSSL 3 only with its legacy provider, by LibreSSL and OpenSSL 1 as they are. */
const LEGACY_ENCRYPTIONS: Readonly<Record<string, readonly string[]>> = {
  "PBES1 with MD5 and DES": ["-v1", "PBE-MD5-DES"],
  "PBES1 with SHA-1 and DES": ["-v1", "PBE-SHA1-DES"],
  "PBES1 with MD5 and RC2": ["-v1", "PBE-MD5-RC2-64"],
  "PBES1 with SHA-1 and RC2": ["-v1", "PBE-SHA1-RC2-64"],
  "PBES1 with RC2 of 40 bits": ["-v1", "PBE-SHA1-RC2-40"],
  "PBES1 with RC2 of 128 bits": ["-v1", "PBE-SHA1-RC2-128"],
  "PBES2 with DES": ["-v2", "des"],
};
const LEGACY_PROVIDERS = ["-provider", "legacy", "-provider", "default"];

describe("readPrivateKey() reads the same key", () => {
  for (const algorithm of ALGORITHMS) {
    withOpenssl(`${algorithm} from PKCS#8`, async () => {
      const pem = await privateKey(algorithm);
      const opened = await readPrivateKey(pem, "");
      expect(opened.algorithm).toBe(algorithm);
      expect(await publicKeyOf(opened.pkcs8)).toBe(await convert(pem, "pkey", "-pubout"));
    });
    for (const [name, options] of Object.entries(ENCRYPTIONS)) {
      withOpenssl(`${algorithm} from PKCS#8 encrypted with ${name}`, async () => {
        const pem = await privateKey(algorithm);
        const opened = await readPrivateKey(await encrypt(pem, options), PASSPHRASE);
        expect(opened.pkcs8).toEqual((await readPrivateKey(pem, "")).pkcs8);
      });
    }
  }
  for (const [name, options] of Object.entries(LEGACY_ENCRYPTIONS)) {
    withOpenssl(`from PKCS#8 encrypted by ${name}`, async () => {
      const pem = await privateKey("p256");
      const opened = await readPrivateKey(await encrypt(pem, [...options, ...LEGACY_PROVIDERS]), PASSPHRASE);
      expect(opened.pkcs8).toEqual((await readPrivateKey(pem, "")).pkcs8);
    });
  }
  for (const cipher of ["aes128", "aes192", "aes256", "des3"]) {
    withOpenssl(`from legacy PEM encryption with ${cipher}`, async () => {
      const pem = await privateKey("rsa");
      const pass = ["-passout", `pass:${PASSPHRASE}`];
      const legacy = await convert(pem, "rsa", "-traditional", `-${cipher}`, ...pass);
      expect(legacy).toContain("Proc-Type: 4,ENCRYPTED");
      const { pkcs8 } = await readPrivateKey(pem, "");
      for (const text of [legacy, legacy.replaceAll("\n", " "), legacy.replaceAll("\n", "")]) {
        expect((await readPrivateKey(text, PASSPHRASE)).pkcs8).toEqual(pkcs8);
      }
      expect(await problemOf(legacy, "wrong")).toMatchObject({ code: "sign_passphrase" });
    });
  }
  for (const algorithm of ["rsa", "p256", "p384", "p521"] as const) {
    withOpenssl(`${algorithm} from PKCS#1 or SEC1`, async () => {
      const pem = await privateKey(algorithm);
      const traditional = await convert(pem, "pkey", "-traditional");
      expect(traditional).toMatch(/BEGIN (RSA|EC) PRIVATE KEY/);
      const opened = await readPrivateKey(traditional, "");
      expect(opened.algorithm).toBe(algorithm);
      expect(await publicKeyOf(opened.pkcs8)).toBe(await convert(pem, "pkey", "-pubout"));
    });
  }

  withOpenssl("SEC1 after a block of EC PARAMETERS", async () => {
    const pem = await openssl("ecparam", "-name", "secp384r1", "-genkey");
    expect(pem).toStartWith("-----BEGIN EC PARAMETERS");
    expect((await readPrivateKey(pem, "")).algorithm).toBe("p384");
  });

  withOpenssl("SEC1 without the public key", async () => {
    const pem = await privateKey("p256");
    const opened = await readPrivateKey(await convert(pem, "ec", "-no_public"), "");
    expect(await publicKeyOf(opened.pkcs8)).toBe(await convert(pem, "pkey", "-pubout"));
  });
});

describe("readPrivateKey() reads PEM", () => {
  const VARIANTS: Readonly<Record<string, (pem: string) => string>> = {
    "with CRLF": (pem) => pem.replaceAll("\n", "\r\n"),
    "with \\n as two characters": (pem) => pem.trim().replaceAll("\n", "\\n"),
    "with \\r\\n as four characters": (pem) => pem.trim().replaceAll("\n", "\\r\\n"),
    "after a byte order mark": (pem) => `\ufeff${pem}`,
    "after Bag Attributes": (pem) => `Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <No>\n${pem}`,
    "indented, without a last line end": (pem) => pem.trim().replaceAll("\n", "\n  "),
  };
  for (const [name, change] of Object.entries(VARIANTS)) {
    withOpenssl(name, async () => {
      const pem = await privateKey("p256");
      expect((await readPrivateKey(change(pem), "")).pkcs8).toEqual((await readPrivateKey(pem, "")).pkcs8);
    });
  }
});

describe("readPrivateKey() rejects a format and names the command that helps", () => {
  const CASES: Readonly<Record<string, readonly [make: () => Promise<string>, says: RegExp]>> = {
    "a cipher that no runtime has": [
      async () => encrypt(await privateKey("rsa"), ["-v2", "camellia-256-cbc"]),
      /cipher .*openssl pkcs8 -topk8 -v2 aes256/,
    ],
    "legacy PEM encryption with a cipher that no runtime has": [
      async () =>
        convert(await privateKey("rsa"), "rsa", "-traditional", "-camellia256", "-passout", "pass:x"),
      /CAMELLIA-256-CBC.*openssl pkcs8 -topk8 -v2 aes256/,
    ],
    "PBKDF2 with a hash that no runtime has": [
      async () => encrypt(await privateKey("p256"), ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512-224"]),
      /PBKDF2 with an unsupported hash.*-v2 aes256/,
    ],
    "explicit curve parameters in SEC1": [
      () => openssl("ecparam", "-name", "prime256v1", "-genkey", "-param_enc", "explicit"),
      /openssl ec .*-param_enc named_curve/,
    ],
    "explicit curve parameters in PKCS#8": [
      () => generate("EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"),
      /openssl ec .*-param_enc named_curve/,
    ],
    "RSASSA-PSS with SHA-1 alone": [
      () => generate("RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_pss_keygen_md:sha1"),
      /parameters.*openssl genpkey -algorithm RSA-PSS/,
    ],
    "RSA of 1024 bits": [() => generate("RSA", "-pkeyopt", "rsa_keygen_bits:1024"), /1024 bits/],
    secp256k1: [() => generate("EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"), /Use RSA/],
    Ed448: [() => generate("ED448"), /Use RSA/],
    "an encrypted key of an unsupported kind": [
      async () => encrypt(await generate("ED448"), ["-v2", "aes-256-cbc"]),
      /Use RSA/,
    ],
    OpenSSH: [
      async () => "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n",
      /ssh-keygen -p -m PKCS8/,
    ],
    "text without PEM": [async () => "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", /neither PEM nor a PKCS#12 file/],
    "a certificate": [
      async () => "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
      /is a certificate, not a private key/,
    ],
    "two keys": [async () => (await privateKey("p256")) + (await privateKey("rsa")), /more than one/],
    "broken base64": [async () => (await privateKey("p256")).replace("M", "*"), /damaged/],
    "a truncated block": [async () => (await privateKey("p256")).slice(0, 120), /damaged/],
  };
  for (const [name, [make, says]] of Object.entries(CASES)) {
    withOpenssl(name, async () => {
      const problem = await problemOf(await make());
      expect(problem).toMatchObject({ kind: "form", code: "sign_no_key", parameter: "private_key" });
      expect(problem?.reason).toMatch(says);
    });
  }

  withOpenssl("the command named for a cipher makes a key that opens", async () => {
    const pass = ["-passin", `pass:${PASSPHRASE}`, "-passout", `pass:${PASSPHRASE}`];
    const camellia = await encrypt(await privateKey("rsa"), ["-v2", "camellia-256-cbc"]);
    const out = scratch("key8.pem");
    await openssl("pkcs8", "-topk8", "-v2", "aes256", "-in", scratchFile(camellia), "-out", out, ...pass);
    expect((await readPrivateKey(await Bun.file(out).text(), PASSPHRASE)).algorithm).toBe("rsa");
  });

  withOpenssl(
    "the command named for RC4, which OpenSSL 3 has in a provider of its own, makes a key that opens",
    async () => {
      const legacy = ["-provider", "legacy", "-provider", "default"];
      const rc4 = await encrypt(await privateKey("p256"), ["-v1", "PBE-SHA1-RC4-128", ...legacy]);
      const out = scratch("rc4-8.pem");
      const [command = ""] = /openssl pkcs8 .* key8\.pem/.exec((await problemOf(rc4))?.reason ?? "") ?? [];
      const files: Readonly<Record<string, string>> = { "key.pem": scratchFile(rc4), "key8.pem": out };
      const pass = ["-passin", `pass:${PASSPHRASE}`, "-passout", `pass:${PASSPHRASE}`];
      expect((await run([...command.split(" ").map((word) => files[word] ?? word), ...pass])).code).toBe(0);
      expect((await readPrivateKey(await Bun.file(out).text(), PASSPHRASE)).algorithm).toBe("p256");
    },
  );

  withOpenssl("the command named for an explicit curve makes a key that opens", async () => {
    const explicit = await openssl("ecparam", "-name", "prime256v1", "-genkey", "-param_enc", "explicit");
    const named = await convert(explicit, "ec", "-param_enc", "named_curve");
    expect((await readPrivateKey(named, "")).algorithm).toBe("p256");
  });
});

withOpenssl("readPrivateKey() reads a key that was pasted twice", async () => {
  const pem = await privateKey("p256");
  expect((await readPrivateKey(pem + pem.replaceAll("\n", "\r\n"), "")).algorithm).toBe("p256");
});

describe("readPrivateKey() reports a passphrase that fails", () => {
  withOpenssl("wrong passphrase is sign_passphrase", async () => {
    const pem = await encrypt(await privateKey("p256"), ["-v2", "aes-256-cbc"]);
    const problem = await problemOf(pem, "wrong");
    expect(problem).toMatchObject({
      kind: "content",
      code: "sign_passphrase",
      parameter: "private_key_password",
    });
    expect(problem?.reason).not.toContain("wrong");
  });

  withOpenssl("no passphrase is sign_passphrase", async () => {
    const problem = await problemOf(await encrypt(await privateKey("p256"), ["-v2", "aes-256-cbc"]), "");
    expect(problem).toMatchObject({ kind: "content", code: "sign_passphrase" });
  });

  withOpenssl("a wrong passphrase whose garbage has valid padding is sign_passphrase too", async () => {
    const pem = await encrypt(await privateKey("p256"), ["-v2", "aes-256-cbc", "-iter", "1"]);
    const codes = new Set<string | undefined>();
    // One guess in 256 passes the padding check, so some of these almost certainly do.
    for (let guess = 0; guess < 1500; guess++) codes.add((await problemOf(pem, `guess ${guess}`))?.code);
    expect([...codes]).toEqual(["sign_passphrase"]);
  });

  test("an empty text is sign_no_key, of kind content", async () => {
    expect(await problemOf("  \n")).toMatchObject({
      kind: "content",
      code: "sign_no_key",
      parameter: "private_key",
    });
  });
});

describe("readPrivateKey() bounds the cost of a hostile key", () => {
  const EXPENSIVE: Readonly<Record<string, Der>> = {
    "PBKDF2 of two million and one iterations": sequence(
      objectIdentifier("1.2.840.113549.1.5.12"),
      sequence(tlv(TAG.OCTET_STRING, new Uint8Array(8)), integer(2_000_001)),
    ),
    "scrypt of 128 MiB": scrypt(2 ** 17, 8, 1),
    "scrypt of nine rounds": scrypt(2 ** 14, 8, 9),
    "scrypt with parameters beyond 53 bits": scrypt(2 ** 60, 8, 1),
    "scrypt with N no power of two": scrypt(1000, 8, 1),
    "scrypt with N beyond what r allows": scrypt(2 ** 16, 1, 1),
    "scrypt whose blocks exceed the memory": scrypt(2, 2 ** 18, 2),
  };

  function scrypt(N: number, r: number, p: number): Der {
    const salt = tlv(TAG.OCTET_STRING, new Uint8Array(8));
    return sequence(
      objectIdentifier("1.3.6.1.4.1.11591.4.11"),
      sequence(salt, integer(N), integer(r), integer(p)),
    );
  }

  function integer(value: number): Der {
    const hex = value.toString(16);
    return unsignedInteger(Uint8Array.fromHex(hex.padStart(hex.length + (hex.length % 2), "0")));
  }

  for (const [name, kdf] of Object.entries(EXPENSIVE)) {
    test(name, async () => {
      const aes = sequence(
        objectIdentifier("2.16.840.1.101.3.4.1.42"),
        tlv(TAG.OCTET_STRING, new Uint8Array(16)),
      );
      const scheme = sequence(objectIdentifier("1.2.840.113549.1.5.13"), sequence(kdf, aes));
      const der = sequence(scheme, tlv(TAG.OCTET_STRING, new Uint8Array(64)));
      const base64 = der.toBase64();
      const pem = `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${base64}\n-----END ENCRYPTED PRIVATE KEY-----\n`;
      expect(await problemOf(pem)).toMatchObject({ kind: "form", code: "sign_no_key" });
    });
  }
});

describe("importSigningKey()", () => {
  withOpenssl("gives a key that cannot be read out", async () => {
    const opened = await readPrivateKey(await privateKey("p256"), "");
    expect(readAlgorithm(opened.pkcs8)).toBe("p256");
    expect((await importSigningKey(opened)).extractable).toBe(false);
  });
});
