import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import type { Message } from "../../src/domain/message.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { decrypt, type Recipient, recipient } from "../fixtures/smime/recipient.ts";
import { opensslVerify } from "../fixtures/smime/verify.ts";
import { DOWN, drainOf, queueInstance } from "../mail/fixtures/queue.ts";

setDefaultTimeout(30_000);

const [ANNA, BERT] = ["anna@example.net", "bert@example.net"];
const SERVER = { server: "mail.example.org", sender: SENDER };
const CODE = "271828";
const MESSAGE: Message = { to: ANNA, subject: `Your code is ${CODE}`, text: `Your code is ${CODE}.\n` };

const signing = async () => {
  const { key, certificate, intermediate } = await sender("p256");
  return { private_key: key, certificate: certificate + intermediate.certificate, smime: true };
};
const save = (instance: TestInstance, json: object, identifier = "a") =>
  instance.request("POST", `/smtpserver/${identifier}`, { json: { ...SERVER, ...json } });
const latin1 = (bytes: Uint8Array | undefined) => new TextDecoder("latin1").decode(bytes);
const headerOf = (message: string) => message.slice(0, message.indexOf("\r\n\r\n"));

/** Both tests of a definition, with the same fields. */
const ROUTES = {
  saved: async (instance: TestInstance, fields: object, test: object) => {
    await save(instance, fields);
    return instance.request("POST", "/smtpserver/a/send_test_email", { json: { recipient: ANNA, ...test } });
  },
  unsaved: (instance: TestInstance, fields: object, test: object) =>
    instance.request("POST", "/smtpserver/send_test_email", {
      json: { ...SERVER, ...fields, recipient: ANNA, ...test },
    }),
} as const;
const KINDS = ["saved", "unsaved"] as const;

/** The message of a delivery as the recipient reads it. */
async function opened(bytes: Uint8Array | undefined, who: Recipient): Promise<string> {
  const { code, stdout, stderr } = await decrypt(bytes ?? new Uint8Array(), who);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function auditNotes(instance: TestInstance): Promise<string> {
  const { value } = await instance.request("GET", "/audit/");
  return JSON.stringify(value);
}

describe.skipIf(!isInstalled("openssl"))("smime_encrypt", () => {
  test.each(KINDS)("signs and then encrypts a test to recipient_certificate, %s", async (kind) => {
    await using instance = await testInstance();
    const anna = await recipient("rsa", ANNA);
    const fields = { ...(await signing()), smime_encrypt: true };
    const { intermediate, root } = await sender("p256");
    const recipient_certificate = intermediate.certificate + anna.certificate + root.certificate;
    const { value, detail } = await ROUTES[kind](instance, fields, { recipient_certificate });
    expect([value, detail?.smime]).toEqual([true, { signed: true, encrypted: true }]);
    const [sent] = instance.sent;
    const inner = await opened(sent?.bytes, anna);
    expect(inner).toStartWith("Content-Type: multipart/signed;");
    const verified = await opensslVerify(new TextEncoder().encode(inner), root);
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    expect(verified.stdout).toContain("\r\nSubject: Test Email from Sealpost\r\n");
  });

  test("hides the subject, and lists in HP-Outer what stays visible", async () => {
    await using instance = await testInstance();
    const anna = await recipient("p256", ANNA);
    await save(instance, { smime_encrypt: true });
    const headers = { "OTP-Token": `"${CODE}"`, Keywords: "secret", References: "<1@example.org>" };
    const certificates = { [ANNA]: anna.certificate };
    const result = await instance.services.submit("a", { ...MESSAGE, headers }, { certificates });
    expect([result.state, result.smime]).toEqual(["delivered", { signed: false, encrypted: true }]);
    const message = latin1(instance.sent[0]?.bytes);
    expect(message).not.toContain(CODE);
    const outer = headerOf(message);
    expect(outer).toContain("\r\nSubject: [...]\r\n");
    expect(outer).toContain("\r\nReferences: <1@example.org>\r\n");
    expect(outer).not.toMatch(/OTP-Token|Keywords/);
    const inner = headerOf(await opened(instance.sent[0]?.bytes, anna)).replace(/\r\n[ \t]+/g, " ");
    expect(inner).toContain(`\r\nSubject: Your code is ${CODE}\r\n`);
    expect(inner).toContain(`\r\nOTP-Token: "${CODE}"\r\n`);
    expect(inner).toMatch(/\r\nContent-Type: text\/plain;.* hp="cipher"/);
    const listed = [...inner.matchAll(/^HP-Outer: (.*)\r?$/gm)].map(([, field]) => field);
    const visible = outer.replace(/\r\n[ \t]+/g, " ").split("\r\n");
    const names = "From|To|Subject|Date|Message-ID|Auto-Submitted|References";
    expect(listed).toEqual(visible.filter((field) => new RegExp(`^(${names}):`).test(field)));
    expect(listed).toHaveLength(7);
  });

  test.each(KINDS)("sends nothing without a certificate if dont_send_on_error is true, %s", async (kind) => {
    await using instance = await testInstance();
    const fields = { ...(await signing()), smime_encrypt: true, dont_send_on_error: true };
    const { status, value, detail } = await ROUTES[kind](instance, fields, {});
    expect([status, value]).toEqual([200, false]);
    expect(detail?.delivery).toMatchObject({
      ...{ phase: "encrypt", code: "encrypt_no_certificate", outcome: "not-sent", retryable: false },
      remedy: { parameter: "recipient_certificate" },
    });
    expect(detail?.smime).toMatchObject({ signed: false, encrypted: false, code: "encrypt_no_certificate" });
    expect(instance.sent).toEqual([]);
  });

  test("sends signed in clear without a certificate otherwise, and notes it", async () => {
    await using instance = await testInstance();
    const fields = { ...(await signing()), smime_encrypt: true };
    const { value, detail } = await ROUTES.saved(instance, fields, {});
    expect([value, detail?.smime]).toEqual([
      true,
      {
        ...{ signed: true, encrypted: false, code: "encrypt_no_certificate" },
        reason: expect.stringContaining(ANNA),
      },
    ]);
    const bytes = instance.sent[0]?.bytes ?? new Uint8Array();
    expect((await opensslVerify(bytes, (await sender("p256")).root)).code).toBe(0);
    expect(headerOf(latin1(bytes))).toContain("\r\nSubject: Test Email from Sealpost\r\n");
    expect(latin1(bytes)).toContain('hp="clear"');
    expect(await auditNotes(instance)).toContain("sent unencrypted: encrypt_no_certificate");
  });

  test.each(KINDS)("rejects a recipient_certificate that cannot be used, %s", async (kind) => {
    await using instance = await testInstance();
    const { certificate } = await recipient("rsa", BERT);
    for (const recipient_certificate of [certificate, (await signing()).certificate, "no PEM"]) {
      for (const extra of [{}, { until: "connect" }]) {
        const test = { recipient_certificate, ...extra };
        const { status, error } = await ROUTES[kind](instance, { smime_encrypt: true }, test);
        expect([status, error?.code]).toEqual([400, 905]);
        expect(error?.message).toStartWith("ERR905: Invalid parameter: recipient_certificate: ");
      }
    }
    expect(instance.sent).toEqual([]);
  });

  test("encrypts to each recipient alone, and sends in clear only to those without a certificate", async () => {
    await using instance = await testInstance();
    const [anna, bert] = [await recipient("rsa", ANNA), await recipient("p256", BERT)];
    await save(instance, { ...(await signing()), smime_encrypt: true });
    const message = { ...MESSAGE, to: [ANNA, "carl@example.net"], bcc: BERT };
    const certificates = { "Anna@Example.NET": anna.certificate, [BERT]: bert.certificate };
    const result = await instance.services.submit("a", message, { certificates });
    expect(result.smime).toMatchObject({ signed: true, encrypted: false, code: "encrypt_no_certificate" });
    const bytesOf = (to: string) => instance.sent.find((one) => one.recipient === to)?.bytes;
    for (const [address, own, other] of [
      [ANNA, anna, bert],
      [BERT, bert, anna],
    ] as const) {
      const bytes = bytesOf(address) ?? new Uint8Array();
      expect(latin1(bytes)).not.toContain(CODE);
      expect(await opened(bytes, own)).toContain(CODE);
      expect((await decrypt(bytes, other)).stdout).not.toContain(CODE);
    }
    expect(headerOf(latin1(bytesOf("carl@example.net")))).toContain(`Subject: Your code is ${CODE}`);
    expect(latin1(bytesOf("carl@example.net"))).not.toContain("HP-Outer");
  });

  test("asks the directory for certificates that the caller does not give", async () => {
    await using instance = await testInstance({ plugins: [directory()] });
    const anna = await recipient("rsa", ANNA);
    const json = { username: "anna", email: ANNA, certificate: anna.certificate };
    expect((await instance.request("POST", "/user/", { json })).status).toBe(200);
    await save(instance, { smime_encrypt: true, dont_send_on_error: true });
    const result = await instance.services.submit("a", { ...MESSAGE, to: "ANNA@example.net" });
    expect([result.state, result.smime]).toEqual(["delivered", { signed: false, encrypted: true }]);
    expect(await opened(instance.sent[0]?.bytes, anna)).toContain(CODE);
  });

  test("is kept where it is absent, and shown in detail.smime", async () => {
    await using instance = await testInstance();
    const shown = async () => (await instance.request("GET", "/smtpserver/a")).detail?.smime;
    await save(instance, { smime_encrypt: true });
    await save(instance, {});
    expect(await shown()).toMatchObject({ smime_encrypt: true });
    await save(instance, { smime_encrypt: null });
    expect(await shown()).toMatchObject({ smime_encrypt: false });
  });
});

describe.skipIf(!isInstalled("openssl"))("a queued message that is encrypted", () => {
  test("is encrypted when it is delivered, to the certificate at its acceptance", async () => {
    await using instance = await queueInstance({ plugins: [directory()] });
    const anna = await recipient("p256", ANNA);
    const json = { username: "anna", email: ANNA, certificate: anna.certificate };
    await instance.request("POST", "/user/", { json });
    await instance.save("a", { ...(await signing()), sender: SENDER, smime_encrypt: true });
    const result = await instance.submit({}, { ...MESSAGE, to: [ANNA, BERT] });
    expect([result.state, result.smime]).toMatchObject(["queued", { signed: true, encrypted: false }]);
    await instance.request("DELETE", "/user/default/anna");
    await drainOf(instance.services);
    const [first, second] = [ANNA, BERT].map((to) => instance.got.find((one) => one.recipient === to));
    expect(await opened(first?.bytes, anna)).toContain(`Subject: Your code is ${CODE}`);
    expect(latin1(second?.bytes)).toContain(`Subject: Your code is ${CODE}`);
    for (const { recipient: to, bytes } of instance.got) {
      const signed = to === ANNA ? new TextEncoder().encode(await opened(bytes, anna)) : bytes;
      expect((await opensslVerify(signed, (await sender("p256")).root)).code).toBe(0);
    }
  });

  test("is encrypted by the definition that it fails over to", async () => {
    await using instance = await queueInstance();
    const anna = await recipient("rsa", ANNA);
    await instance.save("a", { server: "down.example.org" });
    await instance.save("b", { smime_encrypt: true, dont_send_on_error: true });
    instance.fail(DOWN, "down.example.org");
    const certificates = { [ANNA]: anna.certificate };
    await instance.queue({ certificates }, MESSAGE, ["a", "b"]);
    await drainOf(instance.services);
    expect(await opened(instance.got[0]?.bytes, anna)).toContain(CODE);
  });

  test("is not accepted without a certificate if dont_send_on_error is true", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { smime_encrypt: true, dont_send_on_error: true });
    expect(await instance.submit({}, MESSAGE)).toMatchObject({
      ...{ state: "failed", failure: { phase: "encrypt", code: "encrypt_no_certificate" } },
    });
    // A decoy must look like a message that was queued.
    expect(await instance.submit({ decoy: true }, MESSAGE)).toMatchObject({ state: "queued" });
    await drainOf(instance.services);
    expect(instance.got).toEqual([]);
  });
});
