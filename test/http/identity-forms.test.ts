import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";
import { FILE_PASSPHRASE, FILE_SENDER, fileBytes, fileText } from "../fixtures/smime/files.ts";

const KEY = fileText("leaf.key");
const LEAF = fileText("leaf.pem");
const CHAIN = LEAF + fileText("issuing.pem");
const CENSORED = "__CENSORED__";
const DEFINITION = { server: "mail.example.org", sender: FILE_SENDER, smime: "true" };
/** For 600,000 rounds on a busy machine. */
const SLOW_MS = 30_000;
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };

type Fields = Readonly<Record<string, string>>;

const base64 = (name: string) => fileBytes(name).toBase64();
const inLines = (text: string) => text.replaceAll(/.{64}/g, "$&\n");
const save = (instance: TestInstance, options: RequestOptions) =>
  instance.request("POST", "/smtpserver/a", options);
const saveFields = (instance: TestInstance, fields: Fields) =>
  save(instance, { json: { ...DEFINITION, ...fields } });
const stored = async (instance: TestInstance) =>
  (await instance.request("GET", "/smtpserver/a")).value as Fields;

/** Whether a test of these fields sends a signed message. */
async function signs(instance: TestInstance, fields: Fields, options?: RequestOptions): Promise<boolean> {
  const test = { identifier: "a", recipient: "you@example.net", dont_send_on_error: "true" };
  const json = { ...DEFINITION, ...test, ...fields };
  const response = await instance.request("POST", "/smtpserver/send_test_email", options ?? { json });
  if (response.value !== true) throw new Error(response.text);
  return new TextDecoder().decode(instance.sent.at(-1)?.bytes).includes("multipart/signed");
}

/** A urlencoded form with the bytes of these values. */
function formOf(fields: Readonly<Record<string, string | Uint8Array>>): RequestOptions {
  const escaped = (value: string | Uint8Array) =>
    [...Buffer.from(value)].map((octet) => `%${octet.toString(16).padStart(2, "0")}`).join("");
  const pairs = Object.entries({ ...DEFINITION, ...fields }).map(
    ([name, value]) => `${name}=${escaped(value)}`,
  );
  return { body: pairs.join("&"), headers: FORM_TYPE };
}

function filesOf(fields: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>): RequestOptions {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? value : new File([value], "identity.bin"),
  ]);
  return { multipart: { ...DEFINITION, ...Object.fromEntries(entries) } };
}

/** Whether the definition shows PEM certificates only, and signs with its stored key. */
async function isStoredAndSigns(instance: TestInstance): Promise<boolean> {
  const { certificate = "", private_key, private_key_password = "" } = await stored(instance);
  expect(certificate).toContain("-----BEGIN CERTIFICATE-----");
  expect([private_key, certificate.includes("PRIVATE")]).toEqual([CENSORED, false]);
  return signs(instance, { private_key: CENSORED, private_key_password, certificate });
}

describe("a PKCS#12 file", () => {
  test.each(["modern.p12", "rc2-40.p12", "des3.p12", "umlaut.p12", "keytool.p12", "nss.p12"])(
    "%s is saved and tested from either field",
    async (name) => {
      await using instance = await testInstance();
      for (const [field, text] of [
        ["private_key", base64(name)],
        ["certificate", inLines(base64(name))],
      ] as const) {
        const fields = { [field]: text, private_key_password: FILE_PASSPHRASE };
        const { status, error, detail } = await saveFields(instance, fields);
        expect([field, status, error?.message, detail]).toEqual([field, 200, undefined, undefined]);
        expect(await isStoredAndSigns(instance)).toBe(true);
      }
      const fields = { private_key: base64(name), private_key_password: FILE_PASSPHRASE };
      expect(await signs(instance, fields)).toBe(true);
    },
    SLOW_MS,
  );

  test("opens with an absent passphrase if that is empty", async () => {
    await using instance = await testInstance();
    const { status } = await saveFields(instance, { private_key: base64("empty-passphrase.p12") });
    expect(status).toBe(200);
    expect((await stored(instance)).private_key_password).toBe("");
    expect(await isStoredAndSigns(instance)).toBe(true);
  });

  test("has a passphrase of its own, also after another one", async () => {
    await using instance = await testInstance();
    const encrypted = { private_key: fileText("pbes1-des.key"), certificate: CHAIN };
    await saveFields(instance, { ...encrypted, private_key_password: FILE_PASSPHRASE });
    const { error } = await saveFields(instance, { certificate: base64("modern.p12") });
    expect(error?.message).toStartWith("ERR905: Invalid parameter: private_key_password: ");
    expect((await saveFields(instance, { certificate: base64("empty-passphrase.p12") })).status).toBe(200);
    expect((await stored(instance)).private_key_password).toBe("");
  });

  test("replaces the stored key, though the client sends back what it was shown", async () => {
    await using instance = await testInstance();
    await saveFields(instance, {
      private_key: fileText("p256-v2.key"),
      certificate: fileText("p256-v2.pem"),
    });
    const { private_key = "", certificate = "" } = await stored(instance);
    const file = { private_key: base64("modern.p12"), private_key_password: FILE_PASSPHRASE };
    expect((await saveFields(instance, { certificate, ...file })).status).toBe(200);
    expect((await stored(instance)).certificate).not.toContain(certificate.trim());
    const inCertificate = { certificate: base64("des3.p12"), private_key_password: FILE_PASSPHRASE };
    expect((await saveFields(instance, { private_key, ...inCertificate })).status).toBe(200);
    expect(await isStoredAndSigns(instance)).toBe(true);
  });

  test.each<[name: string, fields: Fields, parameter: string]>([
    ["a wrong passphrase", { private_key_password: "Geheim" }, "private_key_password"],
    ["no passphrase", {}, "private_key_password"],
    [
      "something else in certificate",
      { private_key_password: FILE_PASSPHRASE, certificate: "/etc/cert.pem" },
      "certificate",
    ],
    [
      "a damaged certificate",
      { private_key_password: FILE_PASSPHRASE, certificate: CHAIN.replace("MII", "M*I") },
      "certificate",
    ],
    ["half of the file", { private_key: base64("modern.p12").slice(0, 2_001) }, "private_key"],
    [
      "half of the file as certificate",
      { private_key: "", certificate: base64("nss.p12").slice(0, 99) },
      "private_key",
    ],
  ])("with %s is 905, also if smime is false", async (_, fields, parameter) => {
    await using instance = await testInstance();
    const given = { private_key: base64("modern.p12"), ...fields };
    for (const smime of ["true", "false"]) {
      const { status, error } = await saveFields(instance, { ...given, smime });
      expect([status, error?.code]).toEqual([400, 905]);
      expect(error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
    }
    const test = { ...DEFINITION, ...given, recipient: "you@example.net" };
    const tested = await instance.request("POST", "/smtpserver/send_test_email", { json: test });
    expect(tested.error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
  });
});

describe("key and certificates in one text", () => {
  test.each(["private_key", "certificate"])("are separated from %s", async (field) => {
    await using instance = await testInstance();
    expect((await saveFields(instance, { [field]: CHAIN + KEY })).status).toBe(200);
    expect((await stored(instance)).certificate?.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(await isStoredAndSigns(instance)).toBe(true);
  });

  test("in certificate are 905 if there is another private key", async () => {
    await using instance = await testInstance();
    const { error } = await saveFields(instance, { private_key: KEY, certificate: CHAIN + KEY });
    expect(error?.message).toContain("certificate: The certificate text holds a private key: move it");
  });

  test("in the wrong fields are 905 that says so", async () => {
    await using instance = await testInstance();
    for (const key of [KEY, fileText("pbes1-des.key"), fileText("ec-zero.key")]) {
      const { error } = await saveFields(instance, { private_key: CHAIN, certificate: key });
      expect(error?.message).toContain("private_key: private_key holds a certificate");
    }
  });
});

describe("a form may have", () => {
  const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");
  const raw = (text: string) => text.replaceAll("\n", "%0A");
  const fields = Object.entries(DEFINITION).map(([name, value]) => `${name}=${value}`);
  const REQUESTS: Readonly<Record<string, () => RequestOptions>> = {
    "a key in Latin-1": () => formOf({ private_key: fileBytes("bag-latin1.pem"), certificate: CHAIN }),
    "certificates in Windows-1252": () =>
      formOf({
        private_key: KEY,
        certificate: Buffer.concat([Buffer.from([0x80, 0xfc, 0x0a]), Buffer.from(CHAIN)]),
      }),
    "UTF-16 from PowerShell": () => formOf({ private_key: utf16(KEY), certificate: utf16(CHAIN) }),
    "UTF-16 of big endian": () => formOf({ private_key: utf16(KEY).swap16(), certificate: CHAIN }),
    "UTF-16 without byte order mark": () =>
      formOf({
        private_key: Buffer.from(KEY, "utf16le"),
        certificate: Buffer.from(CHAIN, "utf16le").swap16(),
      }),
    "base64 that is not escaped": () => ({
      body: [...fields, `private_key=${raw(KEY)}`, `certificate=${raw(CHAIN)}`].join("&"),
      headers: FORM_TYPE,
    }),
    "base64 that is not escaped, with its line ends": () => ({
      body: [...fields, `private_key=${KEY}`, `certificate=${CHAIN}`].join("&"),
      headers: FORM_TYPE,
    }),
    "a PKCS#12 file as a file": () =>
      filesOf({ private_key: fileBytes("modern.p12"), private_key_password: FILE_PASSPHRASE }),
    "a PKCS#12 file as the certificate": () =>
      filesOf({ certificate: fileBytes("rc2-40.p12"), private_key_password: FILE_PASSPHRASE }),
    "two PEM files": () =>
      filesOf({ private_key: fileBytes("leaf.key"), certificate: new Uint8Array(Buffer.from(CHAIN)) }),
    "one file and one text": () => filesOf({ private_key: fileBytes("leaf.key"), certificate: CHAIN }),
    "a file in UTF-16": () => filesOf({ private_key: new Uint8Array(utf16(KEY)), certificate: CHAIN }),
    "a file in UTF-16 without byte order mark": () =>
      filesOf({ private_key: new Uint8Array(Buffer.from(KEY, "utf16le")), certificate: CHAIN }),
    "a file in Latin-1": () => filesOf({ private_key: fileBytes("bag-latin1.pem"), certificate: CHAIN }),
    "DER files": () => filesOf({ private_key: derOf(KEY), certificate: derOf(LEAF) }),
    "a part that is not UTF-8": () =>
      multipartOf(Buffer.from(fileBytes("bag-latin1.pem")).toString("latin1")),
    "a part in UTF-16": () => multipartOf(utf16(KEY).toString("latin1")),
    "a part in UTF-16 without byte order mark": () =>
      multipartOf(Buffer.from(KEY, "utf16le").toString("latin1")),
  };
  for (const [name, options] of Object.entries(REQUESTS)) {
    test(name, async () => {
      await using instance = await testInstance();
      const { status, error } = await save(instance, options());
      expect([status, error?.message]).toEqual([200, undefined]);
      expect(await isStoredAndSigns(instance)).toBe(true);
    });
  }

  test("the same in a test", async () => {
    await using instance = await testInstance();
    const file = { private_key: fileBytes("modern.p12"), private_key_password: FILE_PASSPHRASE };
    const options = filesOf({ ...file, recipient: "you@example.net" });
    expect(await signs(instance, {}, options)).toBe(true);
    const unescaped = [...fields, "recipient=you@example.net", `private_key=${KEY}`, `certificate=${CHAIN}`];
    expect(await signs(instance, {}, { body: unescaped.join("&"), headers: FORM_TYPE })).toBe(true);
  });

  test.each(["description", "private_key_password", "password"])(
    "only UTF-8 in %s, next to a key of any encoding",
    async (name) => {
      await using instance = await testInstance();
      const options = formOf({
        private_key: fileBytes("bag-latin1.pem"),
        certificate: CHAIN,
        [name]: Uint8Array.of(0xfc),
      });
      const expected = `ERR905: Invalid parameter: ${name}: expected UTF-8`;
      expect((await save(instance, options)).error?.message).toBe(expected);
      const key = Buffer.from(fileBytes("bag-latin1.pem")).toString("latin1");
      expect((await save(instance, multipartOf(key, [name, "\xfc"]))).error?.message).toBe(expected);
      const replacement = "\xef\xbf\xbd";
      expect((await save(instance, multipartOf(key, [name, replacement]))).status).toBe(200);
      const other = multipartOf(
        `${key}\r\n${replacement}`,
        [name, "p\xe4ss"],
        ["timeout", `12${replacement}`],
      );
      expect((await save(instance, other)).error?.message).toBe(expected);
    },
  );

  function derOf(pem: string): Uint8Array<ArrayBuffer> {
    return Uint8Array.fromBase64(pem.slice(pem.indexOf("-----")).replaceAll(/-----[^-]+-----|\s/g, ""));
  }

  /** A multipart form without files. @param key its bytes, as characters */
  function multipartOf(key: string, ...further: readonly (readonly [string, string])[]): RequestOptions {
    const entries = [...Object.entries(DEFINITION), ["private_key", key], ["certificate", CHAIN], ...further];
    const parts = entries.map(
      ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const body = new Uint8Array(Buffer.from(`${parts.join("")}--b--\r\n`, "latin1"));
    return { body, headers: { "content-type": "multipart/form-data; boundary=b" } };
  }
});
