import { expect } from "bun:test";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { FILE_PASSPHRASE, FILE_SENDER, fileBytes, fileText } from "../../fixtures/smime/files.ts";
import type { Flow, Instance } from "../flow.ts";

const CHAIN = fileText("leaf.pem") + fileText("issuing.pem");
const FILES = ["modern.p12", "rc2-40.p12", "des3.p12", "nss.p12"];

type Fields = Readonly<Record<string, string>>;

/** Saves a definition with this identity. @returns the response, and the messages of a test by the stored key */
async function saved({ admin }: Instance, fields: Fields) {
  await using smtp = await startSmtpServer();
  const server = { server: `127.0.0.1:${smtp.port}`, sender: FILE_SENDER, smime: true };
  const given = { ...server, dont_send_on_error: true, ...fields };
  const { status, body } = await admin.save("identity", given);
  if (status === 200) {
    await admin.call("POST", "/smtpserver/identity/send_test_email", { recipient: "you@example.net" });
  }
  const texts = smtp.messages.map(({ bytes }) => new TextDecoder().decode(bytes));
  const tested = await admin.test({ ...given, recipient: "you@example.net" });
  return { status, message: body.result.error?.message ?? "", texts, tested };
}

/** Damaged and unusual keys. Each is 905 on every runtime, when saved and when tested. */
const REJECTED: Readonly<Record<string, readonly [fields: () => Fields, says: RegExp]>> = {
  "an RSA key with a wrong prime": [() => ({ private_key: fileText("rsa-wrong-prime.key") }), /damaged/],
  "an RSA key with three primes": [() => ({ private_key: fileText("rsa-three-primes.key") }), /primes/],
  "an EC key of zero": [
    () => ({ private_key: fileText("ec-zero.key"), certificate: fileText("ec-zero.pem") }),
    /damaged/,
  ],
};

export const IDENTITIES: readonly Flow[] = [
  ...FILES.map(
    (name): Flow => ({
      claim: `the PKCS#12 file ${name} is read, and signs`,
      async run(instance) {
        const fields = { private_key: fileBytes(name).toBase64(), private_key_password: FILE_PASSPHRASE };
        const { status, message, texts } = await saved(instance, fields);
        expect([status, message]).toEqual([200, ""]);
        expect(texts[0]).toContain("multipart/signed");
      },
    }),
  ),
  ...["p256-v2", "ed25519-v2", "rsa-5120"].map(
    (name): Flow => ({
      claim: `the key ${name} signs`,
      async run(instance) {
        const certificate = fileText(`${name}.pem`) + fileText("issuing.pem");
        const { message, texts } = await saved(instance, {
          private_key: fileText(`${name}.key`),
          certificate,
        });
        expect(message).toBe("");
        expect(texts[0]).toContain("multipart/signed");
      },
    }),
  ),
  {
    claim: "keys encrypted by PBES1, and by PBKDF2 with SHA-224, are read",
    async run(instance) {
      for (const name of ["pbes1-des.key", "pbkdf2-sha224.key"]) {
        const fields = {
          private_key: fileText(name),
          private_key_password: FILE_PASSPHRASE,
          certificate: CHAIN,
        };
        const { message, texts } = await saved(instance, fields);
        expect([name, message, texts.length]).toEqual([name, "", 1]);
      }
    },
  },
  ...Object.entries(REJECTED).map(
    ([name, [fields, says]]): Flow => ({
      claim: `${name} is 905 for private_key`,
      async run(instance) {
        const { message, tested } = await saved(instance, { certificate: CHAIN, ...fields() });
        for (const text of [message, tested.body.result.error?.message ?? ""]) {
          expect(text).toMatch(says);
          expect(text).toStartWith("ERR905: Invalid parameter: private_key: ");
        }
      },
    }),
  ),
  {
    claim: "a form has a key in Latin-1, and a PKCS#12 file as a file",
    async run({ origin, admin }) {
      const form = new FormData();
      form.set("private_key", new Blob([fileBytes("modern.p12")]), "identity.p12");
      const escaped = [...fileBytes("bag-latin1.pem")].map(
        (octet) => `%${octet.toString(16).padStart(2, "0")}`,
      );
      const fields = { server: "mail.example.org", sender: FILE_SENDER, smime: "true" };
      for (const [name, value] of Object.entries({ ...fields, private_key_password: FILE_PASSPHRASE }))
        form.set(name, value);
      const urlencoded = `${new URLSearchParams({ ...fields, certificate: CHAIN })}&private_key=${escaped.join("")}`;
      const type = { "Content-Type": "application/x-www-form-urlencoded" };
      for (const request of [{ body: form }, { body: urlencoded, headers: type }]) {
        const headers = { Authorization: admin.token, ...("headers" in request && request.headers) };
        const response = await fetch(`${origin}/smtpserver/forms`, { method: "POST", ...request, headers });
        expect([response.status, await response.text()]).toEqual([200, expect.not.stringContaining("ERR")]);
      }
    },
  },
];
