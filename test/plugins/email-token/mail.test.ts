import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { testSealpost } from "sealpost/testing";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { decrypt, recipient } from "../../fixtures/smime/recipient.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import { codeIn, PIN, SERVER, started, transactionOf, WRONG } from "./support.ts";

const EVE = { username: "eve", email: "eve@example.org", givenname: "<b>E & {otp}", surname: "'\"" };

async function mailWith(settings: object, options: Parameters<typeof started>[0] = {}) {
  await using it = await started(options);
  const set = await it.post("/system/setConfig", settings);
  if (set.status !== 200) throw new Error(set.text);
  await it.post("/user/", EVE);
  await it.enroll({ user: "eve", description: "desk" });
  const asked = await it.trigger({ user: "eve" });
  const [message] = await it.messages();
  if (!message) throw new Error(asked.text);
  return {
    message,
    asked,
    code: codeIn({ ...message, text: `${message.subject} ${message.text} ${message.html}` }),
  };
}

describe("templates", () => {
  test("insert values literally into text and escaped into HTML, and never expand tags inside values", async () => {
    const { message, code } = await mailWith({
      "email.subject": "{{{otp}}} for {givenname}",
      "email.text":
        "{givenname}|{surname}|{user}|{username}|{userrealm}|{tokentype}|{tokendescription}|{otp}",
      "email.html": "<p>{givenname} {surname} <otp> {{}}</p>",
    });
    expect(message.subject).toBe(`{${code}} for <b>E & {otp}`);
    expect(message.text?.trim()).toBe(`<b>E & {otp}|'"|<b>E & {otp}|eve|default|email|desk|${code}`);
    expect(message.html).toContain(`\n<p>&lt;b&gt;E &amp; {otp} &#39;&quot; ${code} {}</p>\n`);
  });

  test("with only a text produce a message with only a text part", async () => {
    const { message, code } = await mailWith({
      "email.text": "<otp> at {time} on {date} from {client_ip} {url}",
    });
    expect(message.text?.trim()).toBe(
      `${code} at 12:00:00 on 2026-06-01 from 192.0.2.10 https://sealpost.test`,
    );
    expect(message.html).toBeUndefined();
  });

  test("for the challenge text can show a redacted address", async () => {
    const { asked } = await mailWith({ "email.challenge_text": "Code to {email_redacted}, {givenname}" });
    expect(asked.detail?.message).toBe("Code to e***@example.org, <b>E & {otp}");
  });

  test.each([
    ["email.text", "{pin}", "there is no tag {pin}"],
    ["email.html", "a { color: red }", "a single { is written {{"],
    ["email.subject", "{text}", "there is no tag {text}"],
    ["email.validtime", 3, "expected a whole number from 30 to 3600"],
    ["email.origin", "javascript:x", "expected an https URL"],
    ["sms.text", "{email_redacted}", "there is no tag"],
  ])("and settings with an invalid value are rejected: %s", async (key, value, problem) => {
    await using it = await started();
    const { status, error } = await it.post("/system/setConfig", { [key]: value });
    expect([status, error?.message]).toEqual([400, expect.stringContaining(`${key}: ${problem}`)]);
  });
});

describe("the header OTP-Token", () => {
  const headerOf = async (settings: object, options = {}) => {
    const { message, code } = await mailWith({ "email.validtime": 120, ...settings }, options);
    return message.headers.find(({ key }) => key === "otp-token")?.value.replace(code, "<code>");
  };

  test("binds the code to the origin where the user enters it", async () => {
    const settings = { "email.origin": "https://login.example.org/path?x" };
    expect(await headerOf(settings)).toBe('"<code>"; origin="https://login.example.org"');
  });

  test("is absent without an https origin", async () => {
    expect(await headerOf({}, { baseUrl: "http://sealpost.test" })).toBeUndefined();
    expect(await headerOf({}, { baseUrl: `https://${"a".repeat(60)}.example.org` })).toBeUndefined();
  });
});

test.skipIf(!isInstalled("openssl"))(
  "openssl verifies a signed message, and its code is accepted",
  async () => {
    await using it = await started();
    const { key, certificate, root, intermediate } = await sender("p256");
    await it.post("/smtpserver/signing", {
      ...SERVER,
      ...{ sender: SENDER, smime: true, dont_send_on_error: true },
      ...{ private_key: key, certificate: certificate + intermediate.certificate },
    });
    await it.post("/system/setConfig", { "email.identifier": "signing" });
    await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    const bytes = it.sent[0]?.bytes ?? new Uint8Array();
    const verified = await opensslVerify(bytes, root);
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    // openssl prints exactly the signed content.
    const pass = codeIn(await PostalMime.parse(verified.stdout));
    expect((await it.check({ user: "ann", pass, transaction_id: transactionOf(asked) })).value).toBe(true);
  },
);

test.skipIf(!isInstalled("openssl"))(
  "only the user reads an encrypted code, in the subject and in OTP-Token too",
  async () => {
    await using it = await started();
    const eve = await recipient("p256", EVE.email);
    await it.post("/smtpserver/default", { ...SERVER, smime_encrypt: true, dont_send_on_error: true });
    await it.post("/system/setConfig", { "email.subject": "{otp}" });
    await it.post("/user/", { ...EVE, certificate: eve.certificate });
    await it.enroll({ user: "eve", pin: PIN });
    const asked = await it.check({ user: "eve", pass: PIN });
    const bytes = it.sent[0]?.bytes ?? new Uint8Array();
    const { stdout } = await decrypt(bytes, eve);
    const pass = codeIn(await PostalMime.parse(stdout));
    expect(stdout).toContain("\r\nOTP-Token: ");
    expect(new TextDecoder().decode(bytes)).not.toContain(pass);
    const transaction_id = transactionOf(asked);
    expect((await it.check({ user: "eve", pass, transaction_id })).value).toBe(true);
    // ann has no certificate.
    await it.enroll({ pin: PIN });
    await it.check({ user: "ann", pass: PIN });
    expect(it.sent).toHaveLength(1);
  },
);

test("with enqueue_job the worker sends the code, unless it has expired", async () => {
  await using it = await started();
  await it.post("/smtpserver/default", { ...SERVER, enqueue_job: true });
  await it.enroll({ pin: PIN });
  const drain = () =>
    it.services.drain({
      signal: new AbortController().signal,
      endsMs: performance.now() + 10_000,
      messageTimeoutMs: 1_000,
    });
  const asked = await it.check({ user: "ann", pass: PIN });
  expect(it.sent).toEqual([]);
  await drain();
  const right = { user: "ann", pass: await it.code(), transaction_id: transactionOf(asked) };
  expect((await it.check(right)).value).toBe(true);
  await it.check({ user: "ann", pass: PIN });
  it.clock.advance(121);
  await drain();
  expect(it.sent).toHaveLength(1);
});

test("emailToken() works in a host app's tests", async () => {
  await using sealpost = await testSealpost({
    plugins: [directory(), emailToken({ server: "codes", validSeconds: 60 })],
  });
  await sealpost.request("/smtpserver/codes", { json: SERVER });
  await sealpost.request("/token/init", {
    json: { type: "email", email: "ann@example.org", pin: PIN, serial: "A" },
  });
  const post = async (json: object) => (await sealpost.request("/validate/check", { json })).json();
  const asked = (await post({ serial: "A", pass: PIN })) as { detail: { transaction_id: string } };
  const [sent] = sealpost.sent;
  expect([sent?.recipient, sent?.message.text]).toEqual([
    "ann@example.org",
    expect.stringContaining("1 minute."),
  ]);
  const pass = sent ? codeIn(sent.message) : "";
  const response = await post({ serial: "A", pass, transaction_id: asked.detail.transaction_id });
  expect(response).toMatchObject({ result: { value: true, authentication: "ACCEPT" } });
});

test("a code that was sent stays valid if no newer one can be sent", async () => {
  await using it = await started();
  await it.enroll();
  const { detail } = await it.trigger();
  const code = await it.code();
  const transaction = { user: "ann", transaction_id: detail?.transaction_id };
  await it.check({ ...transaction, pass: WRONG });
  const stored = () => it.database.read.all("SELECT * FROM email_token_challenge");
  const before = await stored();
  it.clock.advance(31);
  await it.request("DELETE", "/smtpserver/default");
  expect((await it.trigger()).value).toBe(0);
  expect(await stored()).toEqual(before);
  expect((await it.check({ ...transaction, pass: code })).value).toBe(true);
});
