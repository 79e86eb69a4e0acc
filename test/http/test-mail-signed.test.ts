import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";
import { leaf, mailExtensions, SENDER, sender } from "../fixtures/smime/authority.ts";
import { encrypt, PASSPHRASE, privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl } from "../fixtures/smime/openssl.ts";
import { opensslVerify, splitSigned } from "../fixtures/smime/verify.ts";

const CENSORED = "__CENSORED__";
const TEST = { server: "mail.example.org", recipient: "user@example.net", sender: SENDER };

const send = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/send_test_email", { json: { ...TEST, ...json } });
const save = (instance: TestInstance, json: object, identifier = "a") =>
  instance.request("POST", `/smtpserver/${identifier}`, {
    json: { server: TEST.server, sender: SENDER, ...json },
  });
const outcome = ({ status, value, error }: TestResponse) => (error ? [status, error.code] : [status, value]);
/** A key whose certificate names these addresses. */
const named = async (...addresses: readonly string[]) => certified(await privateKey("p256"), addresses);
const certified = async (key: string, addresses: readonly string[]) => {
  const names = addresses.map((address) => `email:${address}`).join(",");
  return { key, certificate: await leaf({ key, extensions: mailExtensions("subjectAltName", names) }) };
};
const mail = (instance: TestInstance) => instance.sent[0]?.bytes ?? new Uint8Array();

describe.skipIf(!isInstalled("openssl"))("a signed test", () => {
  const identity = async () => {
    const { key, certificate, intermediate } = await sender("p256");
    return { private_key: key, certificate: certificate + intermediate.certificate, smime: true };
  };
  const expired = async () => {
    const key = await privateKey("p256");
    const dates = { notBefore: "20200101000000Z", notAfter: "20260501000000Z" };
    return { private_key: key, certificate: await leaf({ key, ...dates }), smime: true };
  };

  test("can be verified, and has its routing fields outside the signature", async () => {
    await using instance = await testInstance();
    const { value, detail } = await send(instance, { ...(await identity()), identifier: "office" });
    expect([value, detail?.smime]).toEqual([true, { signed: true, encrypted: false }]);
    const verified = await opensslVerify(mail(instance), (await sender("p256")).root);
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    const read = await PostalMime.parse(mail(instance));
    expect([read.subject, read.from?.address]).toEqual(["Test Email from Sealpost", SENDER]);
  });

  test.each(["saved", "unsaved"])("signs by RSASSA-PSS if smime_pss is true, %s", async (kind) => {
    await using instance = await testInstance();
    const { key, certificate, intermediate, root } = await sender("rsa");
    const fields = { private_key: key, certificate: certificate + intermediate.certificate, smime: true };
    const path = kind === "saved" ? "/smtpserver/a/send_test_email" : "/smtpserver/send_test_email";
    for (const smime_pss of [true, false]) {
      if (kind === "saved") await save(instance, { ...fields, smime_pss });
      const json = kind === "saved" ? { recipient: TEST.recipient } : { ...TEST, ...fields, smime_pss };
      expect((await instance.request("POST", path, { json })).value).toBe(true);
      const message = instance.sent.at(-1)?.bytes ?? new Uint8Array();
      expect((await opensslVerify(message, root)).code).toBe(0);
      const { signature } = splitSigned(message);
      const text = await openssl("cms", "-cmsout", "-print", "-inform", "DER", "-in", signature);
      expect(/signatureAlgorithm:\s+algorithm: rsassaPss/.test(text)).toBe(smime_pss);
    }
  });

  test("shows smime_pss in detail.smime, and keeps it where it is absent", async () => {
    await using instance = await testInstance();
    const shown = async () => (await instance.request("GET", "/smtpserver/a")).detail?.smime;
    await save(instance, {});
    expect(await shown()).toMatchObject({ smime_pss: false });
    await save(instance, { smime_pss: true });
    await save(instance, {});
    expect(await shown()).toMatchObject({ smime_pss: true });
    await save(instance, { smime_pss: null });
    expect(await shown()).toMatchObject({ smime_pss: false });
  });

  test("that cannot be signed is sent unsigned, and reports it", async () => {
    await using instance = await testInstance();
    const { value, detail } = await send(instance, { ...(await expired()) });
    expect(value).toBe(true);
    expect(detail?.smime).toEqual({
      signed: false,
      encrypted: false,
      code: "sign_expired",
      reason: expect.stringContaining("expired"),
    });
    expect(new TextDecoder().decode(mail(instance))).not.toContain("multipart/signed");
  });

  test("that cannot be signed is not sent with dont_send_on_error", async () => {
    await using instance = await testInstance();
    const { status, value, detail } = await send(instance, {
      ...(await expired()),
      dont_send_on_error: true,
    });
    expect([status, value]).toEqual([200, false]);
    expect(detail?.delivery).toMatchObject({
      phase: "sign",
      code: "sign_expired",
      outcome: "not-sent",
      hint: expect.any(String),
    });
    expect(detail?.smime).toMatchObject({ signed: false, code: "sign_expired" });
    expect(instance.sent).toEqual([]);
  });

  test.each<[parameter: string, change: () => Promise<object>]>([
    ["private_key", async () => ({ ...(await identity()), private_key: "no PEM" })],
    ["certificate", async () => ({ ...(await identity()), certificate: "no PEM" })],
    ["private_key", async () => ({ private_key: "no PEM" })],
    ["private_key", async () => ({ smime: true })],
    ["certificate", async () => ({ ...(await identity()), certificate: "" })],
  ])("with an invalid %s gets 905", async (parameter, change) => {
    await using instance = await testInstance();
    const response = await send(instance, await change());
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
    expect(instance.sent).toEqual([]);
  });

  test("uses the stored key and passphrase only for the same sender, or one that the certificate names", async () => {
    await using instance = await testInstance();
    const { private_key, certificate } = await identity();
    const stored = {
      private_key: await encrypt(private_key, []),
      private_key_password: PASSPHRASE,
      certificate,
    };
    expect((await save(instance, stored)).status).toBe(200);
    const borrowed = {
      private_key: CENSORED,
      private_key_password: CENSORED,
      certificate,
      smime: true,
      identifier: "a",
    };
    expect((await send(instance, borrowed)).detail?.smime).toEqual({ signed: true, encrypted: false });
    expect((await send(instance, { ...borrowed, server: "elsewhere.example.org" })).detail?.smime).toEqual({
      ...{ signed: true, encrypted: false },
    });
    const stranger = await send(instance, { ...borrowed, sender: "other@example.org" });
    expect(outcome(stranger)).toEqual([400, 905]);
    expect(stranger.error?.message).toContain("private_key: required again, because the sender changed");
    const passphrase = { ...borrowed, private_key: stored.private_key, sender: "other@example.org" };
    expect((await send(instance, passphrase)).error?.message).toStartWith(
      "ERR905: Invalid parameter: private_key_password: ",
    );
  });

  test("borrows a key for another sender that the certificate names, and for no other", async () => {
    await using instance = await testInstance();
    const { key, certificate } = await named("otp@example.org", "news@example.org");
    const given = { private_key: key, certificate, smime: true, sender: "otp@example.org" };
    expect((await save(instance, given)).status).toBe(200);
    const borrowed = { private_key: CENSORED, certificate, smime: true, identifier: "a" };
    const sent = await send(instance, { ...borrowed, sender: "News <NEWS@example.org>" });
    expect([sent.value, sent.detail?.smime]).toEqual([true, { signed: true, encrypted: false }]);
    expect(outcome(await send(instance, { ...borrowed, sender: "else@example.org" }))).toEqual([400, 905]);
  });

  test("borrows no key for a sender that only another certificate names", async () => {
    await using instance = await testInstance();
    const { key, certificate } = await named("otp@example.org");
    const given = { private_key: key, certificate, smime: true, sender: "otp@example.org" };
    expect((await save(instance, given)).status).toBe(200);
    const forged = await certified(key, ["otp@example.org", "ceo@example.org"]);
    const borrowed = { private_key: CENSORED, certificate: forged.certificate, smime: true, identifier: "a" };
    expect(outcome(await send(instance, { ...borrowed, sender: "ceo@example.org" }))).toEqual([400, 905]);
    const renewed = await send(instance, borrowed);
    expect(renewed.detail?.smime).toEqual({ signed: true, encrypted: false });
  });

  test("reports what saving reports: sent, queued, and with a borrowed key", async () => {
    await using instance = await testInstance();
    const { key, certificate } = await sender("ed25519");
    const soon = { private_key: key, certificate, smime: true, sender: "else@example.org" };
    const saved = await save(instance, soon);
    const codes = ({ detail }: TestResponse) => detail?.notices;
    expect(codes(saved)).toEqual([
      { code: "rarely_verified", parameter: "private_key" },
      { code: "chain_incomplete", parameter: "certificate" },
      { code: "sign_sender", parameter: "certificate" },
    ]);
    const borrowed = { ...soon, private_key: CENSORED, identifier: "a" };
    const stored = { json: { recipient: TEST.recipient } };
    for (const tested of [
      await send(instance, soon),
      await send(instance, { ...soon, enqueue_job: true }),
      await send(instance, borrowed),
      await send(instance, { ...borrowed, until: "connect" }),
      await instance.request("POST", "/smtpserver/a/send_test_email", stored),
    ]) {
      expect(tested.value).toBe(true);
      expect(codes(tested)).toEqual(codes(saved));
      expect(tested.detail?.warnings).toEqual(saved.detail?.warnings);
    }
  });

  test("reports the same to a repetition of an idempotent call", async () => {
    await using instance = await testInstance();
    const { key, certificate } = await sender("p256");
    const json = { ...TEST, private_key: key, certificate, smime: true };
    const call = () =>
      instance.request("POST", "/smtpserver/send_test_email", { json, headers: { "Idempotency-Key": "k" } });
    const first = await call();
    expect(first.detail?.warnings).toHaveLength(1);
    expect((await call()).detail).toEqual(first.detail);
    expect(instance.sent).toHaveLength(1);
  });
});
