import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { parseCertificates } from "../../src/smime/certificate.ts";
import { readPrivateKey } from "../../src/smime/keys.ts";
import { readPem, writePem } from "../../src/smime/pem.ts";
import { IdentityError } from "../../src/smime/problem.ts";
import { fileBytes, fileText } from "../fixtures/smime/files.ts";
import { convert, generate, privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl, run, scratch, scratchFile } from "../fixtures/smime/openssl.ts";

const withOpenssl = test.skipIf(!isInstalled("openssl"));
const LEAF = fileText("leaf.pem");
const KEY = fileText("leaf.key");

/** Returns what a field says about a text that it cannot use. */
async function said(field: "private_key" | "certificate", text: string): Promise<string> {
  try {
    if (field === "private_key") await readPrivateKey(text, "");
    else parseCertificates(text);
    return "";
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    expect(error.problem).toMatchObject({ code: "sign_no_key", parameter: field, kind: "form" });
    return error.problem.reason;
  }
}

const block = (label: string) => writePem(label, Uint8Array.of(0x30, 0));
const derOf = (pem: string) => readPem(pem)[0]?.der ?? new Uint8Array();

/** Texts with what is said of them in `private_key`, and in `certificate`. */
const TEXTS: Readonly<Record<string, readonly [text: string, key: RegExp, certificate: RegExp]>> = {
  "a public key": [
    block("PUBLIC KEY"),
    /is a public key, not a private key/,
    /is a public key, not a certificate/,
  ],
  "a public key of PKCS#1": [block("RSA PUBLIC KEY"), /is a public key/, /is a public key/],
  "an SSH public key": ["ssh-rsa AAAAB3NzaC1yc2E me@host", /OpenSSH public key/, /OpenSSH public key/],
  "an ECDSA key of SSH": ["ecdsa-sha2-nistp256 AAAAE2Vj me@host", /OpenSSH public key/, /OpenSSH public key/],
  "an SSH public key of RFC 4716": [
    '---- BEGIN SSH2 PUBLIC KEY ----\nComment: "x"\nAAAAB3NzaC1yc2E=\n---- END SSH2 PUBLIC KEY ----',
    /SSH public key/,
    /SSH public key/,
  ],
  "a PuTTY key": ["PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none", /PuTTY key/, /PuTTY key/],
  "a request": [block("CERTIFICATE REQUEST"), /created with the request/, /authority issued for it/],
  "a request of an old kind": [
    block("NEW CERTIFICATE REQUEST"),
    /certificate request/,
    /certificate request/,
  ],
  "a revocation list": [block("X509 CRL"), /revocation list/, /revocation list/],
  "PKCS#7 without certificates": [block("PKCS7"), /PKCS#7/, /PKCS#7/],
  "CMS without certificates": [block("CMS"), /PKCS#7/, /PKCS#7/],
  "an OpenPGP key": [block("PGP PRIVATE KEY BLOCK"), /OpenPGP.*openssl genpkey/, /OpenPGP.*X\.509/],
  "parameters alone": [block("EC PARAMETERS"), /only parameters/, /only parameters/],
  "PEM of another kind": [
    block("SSL SESSION PARAMETERS"),
    /\(SSL SESSION PARAMETERS\)/,
    /\(SSL SESSION PARAMETERS\)/,
  ],
  "a Java keystore": [
    Buffer.from("feedfeed00000002".padEnd(80, "0"), "hex").toString("base64"),
    /keytool/,
    /keytool/,
  ],
  "a JSON Web Key": ['{"kty":"RSA","n":"x"}', /is JSON/, /is JSON/],
  "an XML key": ["<RSAKeyValue><Modulus>x</Modulus></RSAKeyValue>", /is XML/, /is XML/],
  "a URL": ["https://example.org/key.pem", /is a URL/, /is a URL/],
  "base64 that is cut off": [derOf(LEAF).toBase64().slice(0, 402), /base64.*cut off/, /base64.*cut off/],
  "a block without its first line": [LEAF.slice(60), /first line/, /first line/],
  "a word": ["geheim", /neither PEM nor a PKCS#12 file/, /neither PEM nor a PKCS#12 file/],
};
const PATHS = [
  "/etc/privacyidea/smime/key.pem",
  "key.pem",
  "My Certificate.pfx",
  "~/key",
  "./keys/mail.key",
  "../mail",
  "@key.pem",
  "C:\\keys\\key.pem",
  "C:/keys/key",
  "\\\\server\\share\\key.pem",
  "file:///etc/key",
  '"C:\\Users\\ann\\key.pem"',
  "'/etc/ssl/key.pem'",
  '"key.pem"',
];

describe("a text that is something else is rejected with what it is, and the way out:", () => {
  for (const [name, [text, ofKey, ofCertificate]] of Object.entries(TEXTS)) {
    test(name, async () => {
      expect(await said("private_key", text)).toMatch(ofKey);
      expect(await said("certificate", text)).toMatch(ofCertificate);
    });
  }
  test.each(PATHS)("the path %s", async (path) => {
    expect(await said("private_key", path)).toMatch(/path of a file, not a private key: paste the content/);
    expect(await said("certificate", path)).toMatch(/path of a file, not a certificate: paste the content/);
  });

  test("a certificate as the key, and a key as the certificate", async () => {
    for (const text of [LEAF, LEAF.replaceAll("CERTIFICATE", "X509 CERTIFICATE"), derOf(LEAF).toBase64()])
      expect(await said("private_key", text)).toMatch(/is a certificate, not a private key: move it/);
    for (const text of [KEY, fileText("pbes1-des.key"), derOf(KEY).toBase64()])
      expect(await said("certificate", text)).toMatch(/holds a private key: move it to private_key/);
  });

  test("no message quotes the text", async () => {
    const secret = "hunter2-hunter2";
    for (const text of [secret, `/etc/${secret}.pem`, `{"k":"${secret}"}`, `https://x/${secret}`])
      expect(await said("private_key", text)).not.toContain(secret);
  });

  withOpenssl("a key of a kind, or on a curve, that cannot sign is named", async () => {
    const curve = (name: string) => generate("EC", "-pkeyopt", `ec_paramgen_curve:${name}`);
    expect(await said("private_key", await curve("secp256k1"))).toMatch(
      /curve secp256k1, which no WebCrypto/,
    );
    expect(await said("private_key", await curve("brainpoolP256r1"))).toMatch(/curve brainpoolP256r1/);
    expect(await said("private_key", await generate("X25519"))).toMatch(/X25519 key, which can only encrypt/);
    expect(await said("private_key", await generate("ED448"))).toMatch(/Ed448 key/);
  });
});

describe("PKCS#7 is read for its certificates", () => {
  const bare = (pem: string) => pem.replaceAll(/-----[^-]+-----/g, "");
  withOpenssl("as PEM under each label, and as DER", async () => {
    const certificates = ["-certfile", scratchFile(LEAF + fileText("issuing.pem"))];
    const pem = await openssl("crl2pkcs7", "-nocrl", ...certificates);
    for (const text of [pem, pem.replaceAll("PKCS7", "CMS"), bare(pem)])
      expect(parseCertificates(text).map(({ der }) => der)).toEqual([
        derOf(LEAF),
        derOf(fileText("issuing.pem")),
      ]);
  });
});

describe("the commands in messages work:", () => {
  withOpenssl("for a trusted certificate", async () => {
    const trusted = await convert(LEAF, "x509", "-trustout");
    const command = /openssl (.*)$/.exec(await said("certificate", trusted))?.[1] ?? "";
    expect(await paste(command, { "cert.pem": trusted }, "cert2.pem")).toContain("BEGIN CERTIFICATE");
  });

  withOpenssl("for a new key", async () => {
    const command = /openssl (.*)$/.exec(await said("private_key", block("PGP MESSAGE")))?.[1] ?? "";
    expect((await readPrivateKey(await paste(command, {}, "key.pem"), "")).algorithm).toBe("rsa");
  });

  test.skipIf(!isInstalled("ssh-keygen"))("for a key of OpenSSH", async () => {
    const file = scratch(`ssh-${crypto.randomUUID()}`);
    expect((await run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", file])).code).toBe(0);
    const reason = await said("private_key", await Bun.file(file).text());
    expect(reason).toContain("ssh-keygen -p -m PKCS8 -f key,");
    await run(["ssh-keygen", "-p", "-m", "PKCS8", "-f", file, "-N", "", "-P", ""]);
    expect((await readPrivateKey(await Bun.file(file).text(), "")).algorithm).toBe("p256");
  });

  /** Runs a command of openssl in a folder with these files. @returns the file that it writes */
  async function paste(
    command: string,
    files: Readonly<Record<string, string>>,
    out: string,
  ): Promise<string> {
    const folder = scratch(`commands-${crypto.randomUUID()}`);
    mkdirSync(folder);
    for (const [name, content] of Object.entries(files)) await Bun.write(`${folder}/${name}`, content);
    const { code, stderr } = await run(["sh", "-c", `cd ${folder} && openssl ${command}`]);
    expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
    return Bun.file(`${folder}/${out}`).text();
  }
});

test("a PKCS#12 file in a field for PEM text is named", async () => {
  expect(await said("certificate", fileBytes("modern.p12").toBase64())).toMatch(/is a PKCS#12 file/);
});

withOpenssl("a text with more than one private key is rejected", async () => {
  expect(await said("private_key", KEY + (await privateKey("p256")))).toMatch(/more than one private key/);
});
