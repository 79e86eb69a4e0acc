import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createCipheriv, createHmac, pbkdf2Sync } from "node:crypto";
import { mkdirSync } from "node:fs";
import fc from "fast-check";
import { parseCertificates } from "../../src/smime/certificate.ts";
import { Cost } from "../../src/smime/cost.ts";
import {
  type Der,
  objectIdentifier,
  sequence,
  smallInteger,
  TAG,
  tlv,
  unsignedInteger,
} from "../../src/smime/der.ts";
import { readPrivateKey } from "../../src/smime/keys.ts";
import { derivePkcs12, PURPOSE } from "../../src/smime/old-kdf.ts";
import { encodingsOf } from "../../src/smime/passphrase.ts";
import { readPem, writePem } from "../../src/smime/pem.ts";
import { readPkcs12 } from "../../src/smime/pkcs12.ts";
import { IdentityError, type IdentityProblem } from "../../src/smime/problem.ts";
import { sender } from "../fixtures/smime/authority.ts";
import { FILE_PASSPHRASE, fileBytes, fileText } from "../fixtures/smime/files.ts";
import { PASSPHRASE } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl, run, scratch, scratchFile } from "../fixtures/smime/openssl.ts";

/** For 600,000 rounds on a busy machine. */
setDefaultTimeout(30_000);

async function problemOf(der: Der, passphrase: string): Promise<IdentityProblem | null> {
  try {
    await readPkcs12(der, passphrase);
    return null;
  } catch (error) {
    if (error instanceof IdentityError) return error.problem;
    throw error;
  }
}

/** Returns the key and the certificates as PEM. */
async function read(der: Der, passphrase: string) {
  const { keys, certificates } = await readPkcs12(der, passphrase);
  const pem = certificates.map((certificate) => writePem("CERTIFICATE", certificate)).join("");
  return { keys, pem, subjects: parseCertificates(pem).length };
}

describe("readPkcs12() reads the file of", () => {
  const FILES: Readonly<Record<string, string>> = {
    "OpenSSL 3": "modern.p12",
    "OpenSSL 1 and Windows, with RC2 of 40 bits": "rc2-40.p12",
    "Windows, with triple DES": "des3.p12",
    "OpenSSL, with umlauts in its name": "umlaut.p12",
    "Java's keytool": "keytool.p12",
    "NSS, in BER with 600,000 rounds": "nss.p12",
  };
  for (const [name, file] of Object.entries(FILES)) {
    test(name, async () => {
      const { keys, pem, subjects } = await read(fileBytes(file), FILE_PASSPHRASE);
      const expected = await readPrivateKey(fileText("leaf.key"), "");
      expect(keys).toHaveLength(1);
      expect((await readPrivateKey(writePem("PRIVATE KEY", keys[0]!), "")).pkcs8).toEqual(expected.pkcs8);
      expect(subjects).toBe(3);
      expect(pem).toContain(fileText("leaf.pem").trim());
    });
  }

  test("OpenSSL, with an empty passphrase", async () => {
    expect((await read(fileBytes("empty-passphrase.p12"), "")).keys).toHaveLength(1);
  });

  test("NSS without blocking the process", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await read(fileBytes("nss.p12"), FILE_PASSPHRASE);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
  });
});

const LEGACY = ["-provider", "legacy", "-provider", "default"];
/** The defaults of three generations of OpenSSL, and what its options can change. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "OpenSSL 3": [],
  "OpenSSL 1 (-legacy)": ["-legacy"],
  "OpenSSL with triple DES": [
    "-descert",
    "-certpbe",
    "PBE-SHA1-3DES",
    "-keypbe",
    "PBE-SHA1-3DES",
    "-macalg",
    "sha1",
  ],
  "two-key triple DES": ["-certpbe", "PBE-SHA1-2DES", "-keypbe", "PBE-SHA1-2DES"],
  "RC2 of 128 bits": ["-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128", ...LEGACY],
  "AES of 128 and 192 bits": ["-certpbe", "AES-128-CBC", "-keypbe", "AES-192-CBC"],
  "certificates in the clear": ["-certpbe", "NONE"],
  "a key in the clear": ["-keypbe", "NONE"],
  "no MAC": ["-nomac"],
  "a MAC with SHA-1": ["-macalg", "sha1"],
  "a MAC with SHA-224": ["-macalg", "sha224"],
  "a MAC with SHA-384": ["-macalg", "sha384"],
  "a MAC with SHA-512": ["-macalg", "sha512"],
  "a MAC with SHA-512/256": ["-macalg", "sha512-256"],
  "a MAC with MD5": ["-macalg", "md5"],
  "100,000 rounds": ["-iter", "100000"],
  "one round": ["-iter", "1", "-nomaciter"],
};

describe.skipIf(!isInstalled("openssl"))("readPkcs12() reads what openssl writes with", () => {
  for (const [name, options] of Object.entries(OPTIONS)) {
    test(name, async () => {
      const { key, file } = await exported(options, PASSPHRASE);
      const { keys, subjects } = await read(file, PASSPHRASE);
      expect([keys.length, subjects]).toEqual([1, 3]);
      expect((await readPrivateKey(writePem("PRIVATE KEY", keys[0]!), "")).pkcs8).toEqual(
        (await readPrivateKey(key, "")).pkcs8,
      );
      expect(await problemOf(file, "wrong")).toMatchObject({
        code: "sign_passphrase",
        parameter: "private_key_password",
      });
    });
  }

  test("an empty passphrase, of no bytes or of two", async () => {
    for (const options of [[], ["-legacy"]]) {
      expect((await read((await exported(options, "")).file, "")).keys).toHaveLength(1);
    }
  });

  test.each(["p256", "p384", "p521", "ed25519"] as const)("a key of %s", async (algorithm) => {
    const { file } = await exported([], PASSPHRASE, algorithm);
    const { keys } = await read(file, PASSPHRASE);
    expect((await readPrivateKey(writePem("PRIVATE KEY", keys[0]!), "")).algorithm).toBe(algorithm);
  });
});

async function exported(
  options: readonly string[],
  passphrase: string,
  algorithm: Parameters<typeof sender>[0] = "rsa",
): Promise<{ readonly key: string; readonly file: Der }> {
  const { key, certificate, intermediate, root } = await sender(algorithm);
  const chain = scratchFile(intermediate.certificate + root.certificate);
  const out = scratch(`file-${crypto.randomUUID()}.p12`);
  const given = ["-inkey", scratchFile(key), "-in", scratchFile(certificate), "-certfile", chain];
  const pass = ["-passout", `pass:${passphrase}`, "-name", "Übergrößenträger"];
  await openssl("pkcs12", "-export", ...given, "-out", out, ...pass, ...options);
  return { key, file: new Uint8Array(await Bun.file(out).arrayBuffer()) };
}

const IMPORT = "import cryptography.hazmat.primitives.serialization.pkcs12";
const HAS_CRYPTOGRAPHY = isInstalled("python3") && (await run(["python3", "-c", IMPORT])).code === 0;

describe("readPkcs12() reads what others write here:", () => {
  test.skipIf(!isInstalled("keytool") || !isInstalled("openssl"))("keytool", async () => {
    const { file } = await exported([], "geheim");
    const out = scratch(`keytool-${crypto.randomUUID()}.p12`);
    const source = ["-srckeystore", scratchFile(file), "-srcstoretype", "PKCS12", "-srcstorepass", "geheim"];
    const target = ["-destkeystore", out, "-deststoretype", "PKCS12", "-deststorepass", "geheim"];
    const { code, stderr } = await run(["keytool", "-importkeystore", "-noprompt", ...source, ...target]);
    expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
    expect((await read(new Uint8Array(await Bun.file(out).arrayBuffer()), "geheim")).keys).toHaveLength(1);
  });

  test.skipIf(!isInstalled("pk12util") || !isInstalled("openssl"))("pk12util of NSS", async () => {
    const { file } = await exported([], "geheim");
    const database = scratch(`nss-${crypto.randomUUID()}`);
    mkdirSync(database);
    await run(["certutil", "-N", "-d", database, "--empty-password"]);
    await run(["pk12util", "-i", scratchFile(file), "-d", database, "-W", "geheim", "-K", ""]);
    const out = scratch(`pk12util-${crypto.randomUUID()}.p12`);
    await run(["pk12util", "-o", out, "-n", "Übergrößenträger", "-d", database, "-W", "geheim", "-K", ""]);
    expect((await read(new Uint8Array(await Bun.file(out).arrayBuffer()), "geheim")).keys).toHaveLength(1);
  });

  test.skipIf(!HAS_CRYPTOGRAPHY)("Python's cryptography", async () => {
    for (const [key, mac] of [
      ["PBESv2SHA256AndAES256CBC", "SHA256"],
      ["PBESv1SHA1And3KeyTripleDESCBC", "SHA1"],
    ] as const) {
      const out = scratch(`python-${crypto.randomUUID()}.p12`);
      const script = PYTHON.replace("KEY", key).replace("MAC", mac);
      const files = [fileText("leaf.key"), fileText("leaf.pem"), fileText("issuing.pem")].map(scratchFile);
      const { code, stderr } = await run(["python3", "-c", script, ...files, out]);
      expect([code, stderr]).toEqual([0, expect.any(String)]);
      const { keys, subjects } = await read(new Uint8Array(await Bun.file(out).arrayBuffer()), "gehëim");
      expect([keys.length, subjects]).toEqual([1, 2]);
    }
  });
});

const PYTHON = `
import sys
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate as load
read = lambda name: open(name, "rb").read()
how = s.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(5000).key_cert_algorithm(pkcs12.PBES.KEY).hmac_hash(hashes.MAC())
data = pkcs12.serialize_key_and_certificates(b"name", s.load_pem_private_key(read(sys.argv[1]), None),
    load(read(sys.argv[2])), [load(read(sys.argv[3]))], how.build("geh\\u00ebim".encode()))
open(sys.argv[4], "wb").write(data)
`;

describe("readPkcs12() rejects", () => {
  const KEY = { code: "sign_no_key", parameter: "private_key", kind: "form" } as const;

  test("a wrong passphrase, and asks for an absent one", async () => {
    for (const file of ["modern.p12", "rc2-40.p12", "des3.p12"]) {
      expect(await problemOf(fileBytes(file), "Geheim")).toMatchObject({ parameter: "private_key_password" });
      expect((await problemOf(fileBytes(file), ""))?.reason).toContain("set private_key_password");
    }
  });

  test("a file that is cut off anywhere, without any other error", async () => {
    const file = fileBytes("modern.p12");
    for (let length = 0; length < file.length; length += 97) {
      expect(await problemOf(file.slice(0, length), FILE_PASSPHRASE)).toMatchObject(KEY);
    }
  });

  test.skipIf(!isInstalled("openssl"))(
    "RC4, and names the command whose output has key and certificate",
    async () => {
      const [file, out] = [scratch("rc4.p12"), scratch("rc4.pem")];
      const old = ["-legacy", "-keypbe", "PBE-SHA1-RC4-128", "-certpbe", "PBE-SHA1-RC4-128"];
      const inputs = ["-inkey", scratchFile(fileText("leaf.key")), "-in", scratchFile(fileText("leaf.pem"))];
      await openssl("pkcs12", "-export", ...inputs, ...old, "-passout", "pass:geheim", "-out", file);
      const problem = await problemOf(new Uint8Array(await Bun.file(file).arrayBuffer()), "geheim");
      const [command = ""] = /openssl pkcs12 .* key\.pem/.exec(problem?.reason ?? "") ?? [];
      const files: Readonly<Record<string, string>> = { "key.p12": file, "key.pem": out };
      const pass = ["-passin", "pass:geheim", "-passout", "pass:geheim"];
      expect((await run([...command.split(" ").map((word) => files[word] ?? word), ...pass])).code).toBe(0);
      const pem = await Bun.file(out).text();
      expect((await readPrivateKey(pem, "geheim")).algorithm).toBe("rsa");
      expect(pem).toContain("BEGIN CERTIFICATE");
    },
  );

  test("changed bytes, without any other error", async () => {
    const file = fileBytes("des3.p12");
    const index = fc.integer({ min: 0, max: file.length - 1 });
    await fc.assert(
      fc.asyncProperty(index, fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = file.slice();
        damaged[at]! ^= change;
        await problemOf(damaged, FILE_PASSPHRASE);
      }),
      { numRuns: 150 },
    );
  });

  test("rounds without end, in no time", async () => {
    const start = performance.now();
    for (const rounds of ["7fffffff", "7fffffffffffffff", "2dc6c1"]) {
      expect((await problemOf(withMacRounds(rounds), FILE_PASSPHRASE))?.parameter).toBe("private_key");
    }
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  test("a file that a certificate protects", async () => {
    const signed = sequence(objectIdentifier("1.2.840.113549.1.7.2"), tlv(TAG.CONTEXT_0, sequence()));
    const problem = await problemOf(sequence(smallInteger(3), signed), "");
    expect(problem?.reason).toContain("protected by a certificate");
  });

  test.each([65, 64_000_000])("a MAC by PBMAC1 with a key of %d bytes, in no time", async (keyBytes) => {
    const start = performance.now();
    const { reason } = (await problemOf(withPbmac1(keyBytes), FILE_PASSPHRASE)) ?? { reason: "" };
    expect(reason).toContain(`a key of ${keyBytes} bytes`);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  test("a MAC that is longer than any hash", async () => {
    expect(await problemOf(withMacRounds("01", 65), FILE_PASSPHRASE)).toMatchObject(KEY);
  });

  test("keys that are costly together, because each takes a long passphrase", async () => {
    const passphrase = "x".repeat(30_000);
    const derivation = { hash: "sha1", salt: new Uint8Array(8), iterations: 1, cost: new Cost() };
    const [{ bmp } = { bmp: new Uint8Array() }] = encodingsOf(passphrase);
    const [key, iv] = [
      await derivePkcs12(bmp, derivation, PURPOSE.key, 24),
      await derivePkcs12(bmp, derivation, PURPOSE.iv, 8),
    ];
    const cipher = createCipheriv("des-ede3-cbc", key, iv);
    const ciphertext = new Uint8Array([...cipher.update(sequence()), ...cipher.final()]);
    const parameters = sequence(tlv(TAG.OCTET_STRING, derivation.salt), smallInteger(1));
    const scheme = sequence(objectIdentifier("1.2.840.113549.1.12.1.3"), parameters);
    const shrouded = sequence(scheme, tlv(TAG.OCTET_STRING, ciphertext));
    const bag = sequence(objectIdentifier("1.2.840.113549.1.12.10.1.2"), tlv(TAG.CONTEXT_0, shrouded));
    const bags = (count: number) => withoutMac(sequence(...Array.from({ length: count }, () => bag)));
    expect(await problemOf(bags(1), passphrase)).toBeNull();
    expect(await problemOf(bags(900), passphrase)).toMatchObject(KEY);
  });

  /** @param rounds in hexadecimal */
  function withMacRounds(rounds: string, digestBytes = 32): Der {
    const sha256 = sequence(objectIdentifier("2.16.840.1.101.3.4.2.1"), tlv(TAG.NULL));
    const digest = sequence(sha256, tlv(TAG.OCTET_STRING, new Uint8Array(digestBytes)));
    const iterations = unsignedInteger(Uint8Array.fromHex(rounds));
    return withMac(sequence(digest, tlv(TAG.OCTET_STRING, new Uint8Array(8)), iterations));
  }
});

test.each([20, 32, 64])("readPkcs12() checks a MAC by PBMAC1 with a key of %d bytes", async (keyBytes) => {
  expect(await readPkcs12(withPbmac1(keyBytes), FILE_PASSPHRASE)).toEqual({ keys: [], certificates: [] });
  const problem = await problemOf(withPbmac1(keyBytes), "wrong");
  expect(problem?.parameter).toBe("private_key_password");
});

/** Returns a file without contents, whose MAC is right for up to 64 bytes of its key (RFC 9579). */
function withPbmac1(keyBytes: number): Der {
  const hmac = sequence(objectIdentifier("1.2.840.113549.2.9"), tlv(TAG.NULL));
  const salt = new Uint8Array(8);
  const length = unsignedInteger(Uint8Array.fromHex(keyBytes.toString(16).padStart(8, "0")));
  const parameters = sequence(
    tlv(TAG.OCTET_STRING, salt),
    unsignedInteger(Uint8Array.of(7, 208)),
    length,
    hmac,
  );
  const kdf = sequence(objectIdentifier("1.2.840.113549.1.5.12"), parameters);
  const algorithm = sequence(objectIdentifier("1.2.840.113549.1.5.14"), sequence(kdf, hmac));
  const key = pbkdf2Sync(FILE_PASSPHRASE, salt, 2000, Math.min(keyBytes, 64), "sha256");
  const mac = new Uint8Array(createHmac("sha256", key).update(sequence()).digest());
  const digest = sequence(algorithm, tlv(TAG.OCTET_STRING, mac));
  return withMac(sequence(digest, tlv(TAG.OCTET_STRING, salt), smallInteger(1)));
}

function withMac(mac: Der): Der {
  return sequence(smallInteger(3), data(sequence()), mac);
}

/** @param bags `SafeContents` */
function withoutMac(bags: Der): Der {
  return sequence(smallInteger(3), data(sequence(data(bags))));
}

function data(content: Der): Der {
  const octets = tlv(TAG.CONTEXT_0, tlv(TAG.OCTET_STRING, content));
  return sequence(objectIdentifier("1.2.840.113549.1.7.1"), octets);
}

test("a PKCS#12 file with its own PEM label is found", () => {
  expect(readPem(writePem("PKCS12", fileBytes("modern.p12")))[0]?.label).toBe("PKCS12");
});
