import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import type { ComposedMessage } from "../../src/domain/message.ts";
import { assemble, protectHeaders } from "../../src/message/assemble.ts";
import { compose } from "../../src/message/compose.ts";
import { SIGNING_ALGORITHMS, type SignatureAlgorithm } from "../../src/smime/algorithms.ts";
import { compareBytes } from "../../src/smime/der.ts";
import { inspectIdentity } from "../../src/smime/identity.ts";
import { prepareSigner, type Signer, signEntity } from "../../src/smime/sign.ts";
import { type Authority, leaf, mailExtensions, NOW, SENDER, sender } from "../fixtures/smime/authority.ts";
import { privateKey, SIGNATURES } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl } from "../fixtures/smime/openssl.ts";
import { gpgsmVerify, nssStatus, opensslVerify, splitSigned } from "../fixtures/smime/verify.ts";

setDefaultTimeout(30_000);
const hasOpenssl = isInstalled("openssl");
const withOpenssl = test.skipIf(!hasOpenssl);
const withGpgsm = test.skipIf(!hasOpenssl || !isInstalled("gpgsm"));
const withNss = test.skipIf(!hasOpenssl || !isInstalled("cmsutil") || !isInstalled("certutil"));

const BOUNDARY = "Sig0123456789";
let mail: ComposedMessage;
beforeAll(async () => {
  mail = await compose(
    {
      to: [{ name: "", address: "user@example.net" }],
      subject: "Ihr Einmalpasswort für Büro",
      text: "Ihr Code ist 123456.\n.\nFrom us, with trailing spaces   \n",
      html: "<p>Ihr Code ist <b>123456</b>.</p>",
    },
    {
      from: { name: "Jörg", address: SENDER },
      date: NOW,
      messageId: "<1@example.org>",
      boundary: BOUNDARY,
    },
  );
});

async function signerOf(
  algorithm: SignatureAlgorithm,
  options: { readonly pss?: boolean } = {},
): Promise<{ readonly signer: Signer; readonly root: Authority }> {
  const { key, certificate, intermediate, root } = await sender(algorithm);
  const chain = intermediate.certificate + certificate;
  const { identity } = await inspectIdentity({
    privateKey: key,
    passphrase: "",
    certificate: chain,
    now: NOW,
    ...options,
  });
  return { signer: await prepareSigner(identity!), root };
}

interface Signed {
  readonly message: Uint8Array;
  readonly entity: Uint8Array;
  readonly root: Authority;
}

async function signedMail(
  algorithm: SignatureAlgorithm,
  { date = NOW, pss = false }: { readonly date?: Date; readonly pss?: boolean } = {},
): Promise<Signed> {
  const { signer, root } = await signerOf(algorithm, { pss });
  const entity = protectHeaders(mail);
  const signed = await signEntity(entity, signer, { date, boundary: BOUNDARY });
  return { message: assemble(mail.headers, signed), entity, root };
}

/** Returns the message with one changed character in the signed part. */
function tampered(message: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1").decode(message);
  // The first letter of the first part's body, whatever its encoding.
  const entityAt = text.indexOf("Content-Transfer-Encoding:");
  const at = text.indexOf("\r\n\r\n", entityAt) + 4;
  const other = text[at] === "A" ? "B" : "A";
  return Buffer.from(text.slice(0, at) + other + text.slice(at + 1), "latin1");
}

describe("signEntity() is verified", () => {
  for (const algorithm of ["rsa", "pss256", "pss384", "p256", "p384", "p521"] as const) {
    withOpenssl(`by openssl as a whole message, ${algorithm}, root alone known`, async () => {
      const { message, entity, root } = await signedMail(algorithm);
      const { code, stdout, stderr } = await opensslVerify(message, root, ["-cades"]);
      expect(stderr).toContain("successful");
      expect(code).toBe(0);
      expect(stdout).toBe(new TextDecoder().decode(entity));
      expect((await opensslVerify(tampered(message), root)).code).not.toBe(0);
    });

    // NSS 3.87 rejects every CMS signature by a certificate whose key is of RSASSA-PSS.
    if (algorithm === "pss256" || algorithm === "pss384") continue;

    withNss(`by NSS, ${algorithm}`, async () => {
      const { message, root } = await signedMail(algorithm);
      expect(await nssStatus(message, root)).toBe("GoodSignature");
      expect(await nssStatus(tampered(message), root)).toBe("DigestMismatch");
    });
  }

  withOpenssl("by openssl and RSASSA-PSS with a salt as long as the digest, for an RSA key", async () => {
    const { message, root } = await signedMail("rsa", { pss: true });
    expect((await opensslVerify(message, root)).code).toBe(0);
    const { signature } = splitSigned(message);
    const text = await openssl("cms", "-cmsout", "-print", "-inform", "DER", "-in", signature);
    expect(text).toMatch(/signatureAlgorithm:\s+algorithm: rsassaPss/);
    expect(text).toMatch(/signatureAlgorithm:[\s\S]*cont \[ 2 \][^\n]*\n[^\n]*INTEGER +:20\n/);
  });

  withNss("by NSS and RSASSA-PSS, for an RSA key", async () => {
    const { message, root } = await signedMail("rsa", { pss: true });
    expect(await nssStatus(message, root)).toBe("GoodSignature");
  });

  withGpgsm("by gpgsm and RSASSA-PSS, for an RSA key", async () => {
    const { message, root } = await signedMail("rsa", { pss: true });
    expect((await gpgsmVerify(message, root)).stdout).toContain("[GNUPG:] GOODSIG");
  });

  // gpgsm 2.2 rejects SHA-512 with P-521.
  for (const algorithm of ["rsa", "p256", "p384"] as const) {
    withGpgsm(`by gpgsm, ${algorithm}`, async () => {
      const { message, root } = await signedMail(algorithm);
      expect((await gpgsmVerify(message, root)).stdout).toContain("[GNUPG:] GOODSIG");
      const bad = await gpgsmVerify(tampered(message), root);
      expect(bad.stdout).toContain("[GNUPG:] BADSIG");
      expect(bad.code).not.toBe(0);
    });
  }

  for (const algorithm of SIGNATURES) {
    withOpenssl(`by RFC 5652 step for step, ${algorithm}`, async () => {
      const { message } = await signedMail(algorithm);
      expect(await verdict(message, algorithm)).toEqual({ digest: true, signature: true });
      expect(await verdict(tampered(message), algorithm)).toEqual({ digest: false, signature: true });
    });
  }
});

describe("signEntity()", () => {
  for (const algorithm of SIGNATURES) {
    withOpenssl(`signs attributes in DER order, ${algorithm}`, async () => {
      const { attributes } = await parseSigned((await signedMail(algorithm)).message);
      const encoded = attributes.map((attribute) => new Uint8Array(attribute.toSchema().toBER()));
      expect(encoded).toHaveLength(5);
      expect(encoded).toEqual(encoded.toSorted(compareBytes));
    });

    withOpenssl(`names the digest in micalg, ${algorithm}`, async () => {
      const { message } = await signedMail(algorithm);
      const { micalg } = SIGNING_ALGORITHMS[algorithm];
      expect(new TextDecoder().decode(message)).toContain(`micalg=${micalg};`);
    });
  }

  for (const [usage, isPreferred] of [
    ["digitalSignature", false],
    ["digitalSignature,keyEncipherment", true],
    [null, true],
  ] as const) {
    withOpenssl(`prefers its certificate for replies only if it can decrypt: ${usage}`, async () => {
      const key = await privateKey("rsa");
      const certificate = await leaf({ key, extensions: mailExtensions("keyUsage", usage) });
      const fields = { privateKey: key, passphrase: "", certificate, now: NOW };
      const { identity } = await inspectIdentity(fields);
      const entity = new TextEncoder().encode("Content-Type: text/plain\r\n\r\nx\r\n");
      const signer = await prepareSigner(identity!);
      const signed = await signEntity(entity, signer, { date: NOW, boundary: BOUNDARY });
      const { attributes, certificate: parsed } = await parseSigned(signed);
      const preference = attributes.find(({ type }) => type === "1.2.840.113549.1.9.16.2.11")?.values[0];
      expect(preference !== undefined).toBe(isPreferred);
      if (isPreferred) expect(preference.valueBlock.value[1].isEqual(parsed.serialNumber)).toBe(true);
    });
  }

  withOpenssl("offers AES-256-CBC first and AES-256-GCM last", async () => {
    const { attributes } = await parseSigned((await signedMail("p256")).message);
    const capabilities = attributes.find(({ type }) => type === "1.2.840.113549.1.9.15")?.values[0];
    const names = capabilities.valueBlock.value.map((one: asn1js.Sequence) =>
      (one.valueBlock.value[0] as asn1js.ObjectIdentifier).getValue(),
    );
    expect(names[0]).toBe("2.16.840.1.101.3.4.1.42");
    expect(names.at(-1)).toBe("2.16.840.1.101.3.4.1.46");
  });

  for (const algorithm of ["rsa", "ed25519"] as const) {
    withOpenssl(`gives the same bytes for the same input, ${algorithm}`, async () => {
      const first = await signedMail(algorithm);
      expect((await signedMail(algorithm)).message).toEqual(first.message);
    });
  }

  withOpenssl("writes the signing time as UTCTime until 2049, then as GeneralizedTime", async () => {
    const timeOf = async (date: string) => {
      const { attributes } = await parseSigned((await signedMail("p256", { date: new Date(date) })).message);
      return attributes.find(({ type }) => type === "1.2.840.113549.1.9.5")?.values[0];
    };
    const short = await timeOf("2049-12-31T23:59:59.900Z");
    expect(short).toBeInstanceOf(asn1js.UTCTime);
    expect(short.toDate()).toEqual(new Date("2049-12-31T23:59:59Z"));
    const long = await timeOf("2050-01-01T00:00:00Z");
    expect(long).toBeInstanceOf(asn1js.GeneralizedTime);
    expect(long.toDate()).toEqual(new Date("2050-01-01T00:00:00Z"));
  });

  withOpenssl("verifies whatever the ends of the entity", async () => {
    const { signer, root } = await signerOf("p256");
    for (const body of ["", "x", "x\r\n", "x\r\n\r\n\r\n"]) {
      const entity = new TextEncoder().encode(`Content-Type: text/plain\r\n\r\n${body}`);
      const signed = await signEntity(entity, signer, { date: NOW, boundary: BOUNDARY });
      const { code } = await opensslVerify(assemble(mail.headers, signed), root);
      expect(code).toBe(0);
    }
  });

  withOpenssl("refuses a boundary that occurs in the entity, or is malformed", async () => {
    const { signer } = await signerOf("p256");
    const entity = new TextEncoder().encode(`Content-Type: text/plain\r\n\r\n--${BOUNDARY}x\r\n`);
    await expect(signEntity(entity, signer, { date: NOW, boundary: BOUNDARY })).rejects.toThrow(TypeError);
    for (const boundary of ["", 'a"b', "a\r\nb", "a".repeat(71), "a b"]) {
      await expect(signEntity(new Uint8Array(), signer, { date: NOW, boundary })).rejects.toThrow(TypeError);
    }
  });
});

interface Parsed {
  readonly content: string;
  readonly attributes: readonly pkijs.Attribute[];
  readonly signedBytes: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly certificate: pkijs.Certificate;
}

async function parseSigned(message: Uint8Array): Promise<Parsed> {
  const { content, signature } = splitSigned(message);
  const info = pkijs.ContentInfo.fromBER(await Bun.file(signature).arrayBuffer());
  const data = new pkijs.SignedData({ schema: info.content });
  const [signer] = data.signerInfos;
  const attributes = signer!.signedAttrs!;
  const certificate = data.certificates?.find(
    (candidate) =>
      candidate instanceof pkijs.Certificate && candidate.serialNumber.isEqual(signer!.sid.serialNumber),
  );
  return {
    content,
    attributes: attributes.attributes,
    signedBytes: new Uint8Array(attributes.encodedValue),
    signature: new Uint8Array(signer!.signature.valueBlock.valueHexView),
    certificate: certificate as pkijs.Certificate,
  };
}

/** Verifies as in RFC 5652 5.4 and 5.6, without any code of the signer. */
async function verdict(message: Uint8Array, algorithm: SignatureAlgorithm): Promise<object> {
  const { content, attributes, signedBytes, signature, certificate } = await parseSigned(message);
  const { digest, importParams, signParams, isEcdsa } = SIGNING_ALGORITHMS[algorithm];
  const wanted = attributes.find(({ type }) => type === "1.2.840.113549.1.9.4")?.values[0];
  const actual = await crypto.subtle.digest(digest, Buffer.from(content, "latin1"));
  const { subjectPublicKeyInfo } = certificate;
  if (algorithm.startsWith("pss")) {
    // WebCrypto imports only keys of rsaEncryption.
    subjectPublicKeyInfo.algorithm.algorithmId = "1.2.840.113549.1.1.1";
    subjectPublicKeyInfo.algorithm.algorithmParams = new asn1js.Null();
  }
  const spki = subjectPublicKeyInfo.toSchema().toBER();
  const key = await crypto.subtle.importKey("spki", spki, importParams, false, ["verify"]);
  const raw = isEcdsa ? halves(signature, Math.ceil(Number.parseInt(algorithm.slice(1), 10) / 8)) : signature;
  return {
    digest: Buffer.from(actual).equals(Buffer.from(wanted.valueBlock.valueHexView)),
    signature: await crypto.subtle.verify(signParams, key, raw, signedBytes),
  };
}

/** Converts `ECDSA-Sig-Value` to the format of WebCrypto. */
function halves(der: Uint8Array<ArrayBuffer>, octets: number): Uint8Array<ArrayBuffer> {
  const sequence = asn1js.fromBER(der).result as asn1js.Sequence;
  const numbers = sequence.valueBlock.value.map((value) => (value as asn1js.Integer).toBigInt());
  return Uint8Array.fromHex(numbers.map((n) => n.toString(16).padStart(octets * 2, "0")).join(""));
}
