import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startSmtpServer, type TestCertificates, testCertificates } from "../../../src/testing/smtp/index.ts";
import { ADMIN, type TestInstance, testInstance } from "../../fixtures/instance.ts";
import type { TestResponse } from "../../fixtures/request.ts";
import { convert } from "../../fixtures/smime/keys.ts";
import { makeTransport, NOW } from "../../transport/support.ts";

/** Changes of a PEM text that intake reads, and TLS does not. */
const FORMS: Readonly<Record<string, (pem: string) => string>> = {
  "a byte order mark": (pem) => `\ufeff${pem}`,
  indentation: (pem) => pem.replace(/^/gm, "  "),
  "line ends of old Macs": (pem) => pem.replaceAll("\n", "\r"),
  "line ends that became blanks": (pem) => pem.replaceAll("\n", " "),
  "line ends as two characters": (pem) => pem.replaceAll("\n", "\\n"),
  quotation: (pem) => pem.replace(/^/gm, "> "),
  "blanks in place of +": (pem) => pem.replaceAll("+", " "),
  "line ends of HTML": (pem) => pem.replaceAll("\n", "<br>"),
  "dashes of a word processor": (pem) => pem.replaceAll("-----", "—"),
  "characters without width": (pem) => pem.replace(/(.{30})/g, "$1\u200b"),
  "no delimiting lines": (pem) => pem.replace(/-----[^-]+-----|\n/g, ""),
};

let certificates: TestCertificates;
let server: Awaited<ReturnType<typeof startSmtpServer>>;
let instance: TestInstance;
let token: string;
beforeAll(async () => {
  certificates = await testCertificates();
  const { ca } = certificates;
  server = await startSmtpServer({ security: "implicit", clientCa: ca });
  instance = await testInstance({ transport: makeTransport({ extraCa: [ca] }) });
  instance.clock.now = NOW;
  token = await instance.logIn(ADMIN.username, ADMIN.password);
});
afterAll(async () => {
  await instance[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const definition = () => ({
  server: `smtps://localhost:${server.port}`,
  sender: "a@example.org",
  recipient: "b@example.net",
});
const codeOf = ({ detail }: TestResponse) => (detail?.delivery as Record<string, unknown> | undefined)?.code;

/** Sends through a definition with this client certificate, saved and not. @returns the codes of failures */
async function send(privateKey: string, certificate: string): Promise<readonly unknown[]> {
  const pair = { tls_private_key: privateKey, tls_certificate: certificate };
  const unsaved = await instance.request("POST", "/smtpserver/send_test_email", {
    token,
    json: { ...definition(), ...pair },
  });
  const saved = await instance.request("POST", "/smtpserver/mutual", {
    token,
    json: { ...definition(), ...pair },
  });
  expect(saved.error).toBeUndefined();
  const path = "/smtpserver/mutual/send_test_email";
  const stored = await instance.request("POST", path, { token, json: { recipient: "b@example.net" } });
  return [unsaved, stored].map((response) => (response.value === true ? "sent" : codeOf(response)));
}

describe("a client certificate", () => {
  test.each(Object.entries(FORMS))("with %s is shown to the server", async (_, change) => {
    const { key, cert } = certificates.client;
    expect(await send(change(key), change(cert))).toEqual(["sent", "sent"]);
  });

  test.each([
    ["compressed point", ["-conv_form", "compressed"]],
    ["SEC1 key without its point", ["-no_public"]],
  ])("with a %s is shown to the server", async (_, options) => {
    const { key, cert } = certificates.client;
    expect(await send(await convert(key, "ec", ...options), cert)).toEqual(["sent", "sent"]);
  });

  test("with a key that is encrypted with an empty passphrase is shown to the server", async () => {
    const { key, cert } = certificates.client;
    const encrypted = await convert(key, "pkcs8", "-topk8", "-v2", "aes256", "-passout", "pass:");
    expect(await send(encrypted, cert)).toEqual(["sent", "sent"]);
  });

  test("after another kind of PEM block is shown to the server", async () => {
    const { key, cert } = certificates.client;
    const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    expect(await send(parameters + key, parameters + cert)).toEqual(["sent", "sent"]);
  });
});

describe("tls_certificate", () => {
  const shownOf = async (pair: Readonly<Record<string, string>>) => {
    const json = { server: "smtps://mail.example.org", ...pair };
    expect((await instance.request("POST", "/smtpserver/shown", { token, json })).error).toBeUndefined();
    const { detail } = await instance.request("GET", "/smtpserver/shown", { token });
    return JSON.stringify(detail);
  };

  test.each(Object.entries(FORMS))("with %s is stored as every program reads it", async (_, change) => {
    const { key: own, cert } = certificates.client;
    const shown = await shownOf({ tls_private_key: change(own), tls_certificate: change(cert) });
    expect(shown).toContain(JSON.stringify(cert));
  });

  test("that every program reads is stored as it is", async () => {
    const { key: own, cert } = certificates.client;
    const text = `subject=CN=client.test\n${cert}\nissuer\n${certificates.ca}`;
    expect(await shownOf({ tls_private_key: own, tls_certificate: text })).toContain(JSON.stringify(text));
  });

  test("without its key is stored as every program reads it", async () => {
    const { cert } = certificates.client;
    const shown = await shownOf({ tls_private_key: "", tls_certificate: cert.replaceAll("\n", "\\n") });
    expect(shown).toContain(JSON.stringify(cert));
  });
});
