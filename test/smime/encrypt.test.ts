import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { sequence, TAG, tlv, unsignedInteger } from "../../src/smime/der.ts";
import { encryptEntity } from "../../src/smime/encrypt.ts";
import { findRecipient } from "../../src/smime/recipient.ts";
import { RSA_ENCRYPTION } from "../../src/smime/rsa-pss.ts";
import { authorities, NOW } from "../fixtures/smime/authority.ts";
import { buildCertificate, createKey, mailLeaf } from "../fixtures/smime/build-certificate.ts";
import { generate, privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl, run, scratch, scratchFile } from "../fixtures/smime/openssl.ts";
import { certificateFor, decrypt, RECIPIENT_KINDS, recipient } from "../fixtures/smime/recipient.ts";

setDefaultTimeout(30_000);
const hasOpenssl = isInstalled("openssl");
const withOpenssl = test.skipIf(!hasOpenssl);
const withNss = test.skipIf(!hasOpenssl || !isInstalled("cmsutil") || !isInstalled("pk12util"));
const withGpgsm = test.skipIf(!hasOpenssl || !isInstalled("gpgsm"));

const ADDRESS = "anna@example.net";
const ENTITY = new TextEncoder().encode(
  `Content-Type: text/plain\r\n\r\n${"Your code is 123456.\r\n".repeat(20)}`,
);

/** Encrypts to the certificate and returns the message. */
async function encrypted(certificate: string, entity = ENTITY): Promise<Uint8Array> {
  const found = await findRecipient(certificate, ADDRESS, NOW);
  if ("reason" in found) throw new Error(found.reason);
  return encryptEntity(entity, found.certificate.recipient, (length) => new Uint8Array(randomBytes(length)));
}

async function reason(pem: string, address = ADDRESS, now = NOW): Promise<string | null> {
  const found = await findRecipient(pem, address, now);
  return "reason" in found ? found.reason : null;
}

/** Returns the certificate of an RSA key of that many bits, for which there is no private key. */
function certificateOfBits(bits: number): string {
  const key = createKey();
  const numbers = [new Uint8Array(bits / 8).fill(0xff), Uint8Array.of(1, 0, 1)].map(unsignedInteger);
  const publicKey = sequence(RSA_ENCRYPTION, tlv(TAG.BIT_STRING, Uint8Array.of(0), sequence(...numbers)));
  const names = { subject: "Anna", issuer: "A", ...mailLeaf(ADDRESS), keyUsage: null };
  return buildCertificate({ ...names, key, publicKey, signedBy: key });
}

/** Returns the DER of the encrypted content. */
function derOf(message: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(message);
  return Uint8Array.fromBase64(text.slice(text.indexOf("\r\n\r\n")));
}

const plain = new TextDecoder().decode(ENTITY);

describe("encryptEntity() is decrypted", () => {
  for (const kind of RECIPIENT_KINDS) {
    withOpenssl(`by openssl with the key of the recipient alone, ${kind}`, async () => {
      const { key, certificate } = await recipient(kind, ADDRESS);
      const message = await encrypted(certificate);
      const own = await decrypt(message, { key, certificate });
      expect([own.code, own.stdout]).toEqual([0, plain]);
      const other = await decrypt(message, { key: await privateKey(kind, "other") });
      expect(other.stdout).not.toContain("123456");
      expect(new TextDecoder().decode(message)).not.toContain("123456");
    });
  }

  // By key agreement, NSS 3.87 and gpgsm 2.2.40 decrypt neither these messages nor those of openssl. Nor does gpgsm import
  // a key of a curve from PKCS#12: it crashes.
  withNss("by NSS, rsa", async () => {
    const { key, certificate } = await recipient("rsa", ADDRESS);
    const database = scratch(`nss-decrypt`);
    mkdirSync(database);
    await run(["certutil", "-N", "-d", database, "--empty-password"]);
    const [keyFile, file] = [scratchFile(key), scratch(`recipient-nss.p12`)];
    const parts = ["-inkey", keyFile, "-in", scratchFile(certificate), "-passout", "pass:x", "-out", file];
    await openssl("pkcs12", "-export", "-name", "anna", ...parts);
    await run(["pk12util", "-i", file, "-d", database, "-W", "x", "-K", ""]);
    const message = scratchFile(derOf(await encrypted(certificate)));
    const { stdout } = await run(["cmsutil", "-D", "-d", database, "-i", message]);
    expect(stdout).toBe(plain);
  });

  withGpgsm("by gpgsm, rsa", async () => {
    const { key, certificate } = await recipient("rsa", ADDRESS);
    const home = scratch("gnupg-decrypt");
    mkdirSync(home, { mode: 0o700 });
    await Bun.write(`${home}/gpgsm.conf`, "disable-crl-checks\nno-secmem-warning\n");
    await Bun.write(`${home}/gpg-agent.conf`, "allow-loopback-pinentry\n");
    const env = { GNUPGHOME: home };
    const file = scratch("recipient-gpgsm.p12");
    const parts = ["-inkey", scratchFile(key), "-in", scratchFile(certificate)];
    await openssl("pkcs12", "-export", "-legacy", ...parts, "-passout", "pass:x", "-out", file);
    const passphrase = ["--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0"];
    const feed = `printf 'x\n' | gpgsm ${passphrase.join(" ")}`;
    await run(["sh", "-c", `${feed} --import ${file}`], env);
    const message = scratchFile(derOf(await encrypted(certificate)));
    const { stdout } = await run(["sh", "-c", `${feed} --decrypt ${message}`], env);
    await run(["gpgconf", "--kill", "all"], env);
    expect(stdout).toBe(plain);
  });

  withOpenssl("with OAEP by a key that is only for it", async () => {
    const { key, certificate } = await recipient("rsa", ADDRESS);
    const der = Uint8Array.fromBase64(certificate.replace(/-----[^-]+-----/g, ""));
    const [rsaEncryption, oaep] = ["06092a864886f70d010101", "06092a864886f70d010107"].map((hex) =>
      Buffer.from(hex, "hex").toString("latin1"),
    );
    const changed = Buffer.from(
      Buffer.from(der).toString("latin1").replace(`${rsaEncryption}\x05\x00`, `${oaep}\x05\x00`),
      "latin1",
    );
    const pem = `-----BEGIN CERTIFICATE-----\n${changed.toString("base64")}\n-----END CERTIFICATE-----\n`;
    const message = await encrypted(pem);
    const text = await openssl("cms", "-cmsout", "-print", "-in", scratchFile(message));
    expect(text).toContain("rsaesOaep");
    expect((await decrypt(message, { key })).stdout).toBe(plain);
  });
});

describe("encryptEntity()", () => {
  withOpenssl("writes a key of its own into each message", async () => {
    const { certificate } = await recipient("p256", ADDRESS);
    const [first, second] = [await encrypted(certificate), await encrypted(certificate)];
    expect(derOf(first).slice(-64)).not.toEqual(derOf(second).slice(-64));
  });

  withOpenssl("writes application/pkcs7-mime in lines of at most 76 characters", async () => {
    const text = new TextDecoder().decode(await encrypted((await recipient("rsa", ADDRESS)).certificate));
    expect(text).toStartWith("Content-Type: application/pkcs7-mime; smime-type=enveloped-data;");
    expect(text).toEndWith("\r\n");
    const body = text.slice(text.indexOf("\r\n\r\n") + 4);
    expect(
      body
        .trimEnd()
        .split("\r\n")
        .every((line) => line.length <= 76),
    ).toBe(true);
    const print = await openssl("cms", "-cmsout", "-print", "-in", scratchFile(text));
    expect(print).toContain("aes-256-cbc");
  });

  withOpenssl("encrypts an entity of any length", async () => {
    const { key, certificate } = await recipient("p256", ADDRESS);
    for (const length of [1, 15, 16, 17, 70_000]) {
      const entity = new TextEncoder().encode(`Content-Type: text/plain\r\n\r\n${"x".repeat(length)}`);
      const { stdout } = await decrypt(await encrypted(certificate, entity), { key });
      expect(stdout).toBe(new TextDecoder().decode(entity));
    }
  });
});

describe("findRecipient()", () => {
  withOpenssl("finds the certificate that names the recipient, whatever stands around it", async () => {
    const { root, intermediate } = await authorities();
    const { certificate } = await recipient("rsa", ADDRESS);
    const stranger = await certificateFor(ADDRESS, await privateKey("p256", "stranger"), "keyAgreement", {
      extensions: ["subjectAltName=email:other@example.net"],
    });
    const texts = [root.certificate, intermediate.certificate, stranger];
    for (const pem of [
      [certificate, ...texts],
      [...texts, certificate],
    ]) {
      expect(await reason(pem.join("\n"))).toBeNull();
    }
    expect(await reason(texts.join("\n"))).toMatch(/does not name anna@example.net, but other@example.net/);
    expect(await reason(certificate, "Anna@EXAMPLE.net")).toBeNull();
  });

  withOpenssl("takes the usable one of several, and of these the one that expires last", async () => {
    const key = await privateKey("p256", "recipient");
    const expired = await certificateFor(ADDRESS, key, "keyAgreement", { notAfter: "20210101000000Z" });
    const signing = await certificateFor(ADDRESS, key, "digitalSignature");
    const [soon, late] = await Promise.all(
      ["20270101000000Z", "20300101000000Z"].map((notAfter) =>
        certificateFor(ADDRESS, key, "keyAgreement", { notAfter }),
      ),
    );
    const found = await findRecipient([expired, signing, late, soon].join("\n"), ADDRESS, NOW);
    expect("certificate" in found && found.certificate.notAfter.getUTCFullYear()).toBe(2030);
    expect(await reason(expired + signing)).not.toBeNull();
  });

  const UNUSABLE: Readonly<Record<string, readonly [make: () => Promise<string>, says: RegExp]>> = {
    "a certificate that may only sign": [
      async () => certificateFor(ADDRESS, await privateKey("rsa", "recipient"), "digitalSignature"),
      /key usage.*keyEncipherment/,
    ],
    "an EC certificate for key encipherment": [
      async () => certificateFor(ADDRESS, await privateKey("p256", "recipient"), "keyEncipherment"),
      /keyAgreement/,
    ],
    "a certificate for servers": [
      async () =>
        certificateFor(ADDRESS, await privateKey("rsa", "recipient"), "keyEncipherment", {
          extensions: [`subjectAltName=email:${ADDRESS}`, "extendedKeyUsage=serverAuth"],
        }),
      /emailProtection/,
    ],
    "an expired certificate": [
      async () =>
        certificateFor(ADDRESS, await privateKey("rsa", "recipient"), "keyEncipherment", {
          notAfter: "20210101000000Z",
        }),
      /expired/,
    ],
    "a certificate of Ed25519": [
      async () => certificateFor(ADDRESS, await privateKey("ed25519"), "keyAgreement"),
      /cannot decrypt.*RSA/,
    ],
    "a certificate of RSASSA-PSS": [
      async () => certificateFor(ADDRESS, await privateKey("pss256"), "keyEncipherment"),
      /cannot decrypt.*RSA/,
    ],
    "RSA of 1024 bits": [
      async () =>
        certificateFor(ADDRESS, await generate("RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "keyEncipherment"),
      /1024 bits.*2048/,
    ],
    "RSA of more bits than this runtime encrypts to": [
      async () => certificateOfBits(17_000),
      /RSA of 17000 bits.*more than this platform.*2048 to 4096/,
    ],
    "a curve that is not supported": [
      async () =>
        certificateFor(
          ADDRESS,
          await generate("EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"),
          "keyAgreement",
        ),
      /not supported.*RSA/,
    ],
    "a private key": [async () => privateKey("p256"), /private key/],
    "a text that is not PEM": [async () => "certificate", /PEM/],
  };
  for (const [name, [make, says]] of Object.entries(UNUSABLE)) {
    withOpenssl(`rejects ${name}`, async () => {
      expect(await reason(await make())).toMatch(says);
    });
  }
});
