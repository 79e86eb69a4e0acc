import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { postfixObstacle, startPostfix } from "../fixtures/postfix/postfix.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import { encrypt, PASSPHRASE } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { gpgsmVerify, opensslVerify } from "../fixtures/smime/verify.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";

setDefaultTimeout(TEST_MS);

const obstacle = openssl === null ? "openssl is not installed" : postfixObstacle();
if (obstacle !== null) console.warn(`Skipped: mail through a real Postfix; ${obstacle}`);
const material = obstacle === null ? makeTlsMaterial() : null;

const DOMAIN = "example.net";
const PASSWORD = "cyrus-pass word-1";
const PRIVATE_CA = { SEALPOST_TLS_CA: material?.ca ?? "" };

// All tests here share one, because it takes two seconds to start.
const postfix =
  material &&
  (await startPostfix({
    tls: material.good,
    users: { mailer: PASSWORD },
    domain: DOMAIN,
    clientCa: material.ca,
  }));
afterAll(() => postfix?.[Symbol.asyncDispose]());
const definition = {
  server: "localhost",
  port: postfix?.port ?? 0,
  tls: true,
  username: "mailer@mx.test",
  password: PASSWORD,
  sender: SENDER,
  recipient: `you@${DOMAIN}`,
};

async function start(folder: string, env: Readonly<Record<string, string>> = PRIVATE_CA) {
  const sealpost = await startSealpost({ folder, env });
  sealpost.keepSecret(PASSWORD, PASSPHRASE);
  return sealpost;
}

async function deliveryOf(sealpost: Sealpost, definition: Readonly<Record<string, unknown>>) {
  const { status, body } = await (await sealpost.logIn()).test(definition);
  expect(status).toBe(200);
  return { value: body.result.value, ...body.detail?.delivery };
}

test.skipIf(obstacle !== null)(
  "a signed test message of a stored definition arrives through Postfix, and openssl and gpgsm accept it",
  async () => {
    using folder = temporaryFolder();
    await using sealpost = await start(folder.path);
    const { key, certificate, root, intermediate } = await sender("rsa");
    const api = await sealpost.logIn();
    const signing = {
      ...definition,
      smime: true,
      dont_send_on_error: true,
      private_key: await encrypt(key, []),
      private_key_password: PASSPHRASE,
      certificate: certificate + intermediate.certificate,
    };
    expect(await api.save("signed", signing)).toMatchObject({ status: 200 });
    const stored = { ...signing, identifier: "signed", password: "__CENSORED__" };
    const borrowed = { private_key: "__CENSORED__", private_key_password: "__CENSORED__" };
    const { body } = await api.test({ ...stored, ...borrowed });
    expect(body.result.value).toBe(true);
    expect(body.detail).toMatchObject({
      smime: { signed: true },
      delivery: { outcome: "sent", tls: { protocol: "TLSv1.3" } },
    });

    const [mail = new Uint8Array()] = (await postfix?.delivered(1)) ?? [];
    const text = new TextDecoder().decode(mail);
    expect(text).toMatch(/^Return-Path: <otp@example\.org>\nX-Original-To: you@example\.net\n/);
    expect(text).toMatch(/^Received: .*\n.*ESMTPS/m);
    const verified = await opensslVerify(mail, root);
    expect({ code: verified.code, stderr: verified.stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("successful"),
    });
    expect(verified.stdout).toContain("\r\nSubject: Test Email from Sealpost\r\n");
    expect(verified.stdout).toContain('; hp="clear"\r\n');
    if (isInstalled("gpgsm")) {
      // A maildir has the line ends of the system; the signed bytes have those of the wire.
      const onTheWire = new TextEncoder().encode(text.replaceAll("\n", "\r\n"));
      expect((await gpgsmVerify(onTheWire, root)).stdout).toContain("[GNUPG:] GOODSIG");
    }
  },
);

test.skipIf(obstacle !== null)(
  "a second message through Postfix takes one round trip, with sender, recipient and message in one flight",
  async () => {
    using folder = temporaryFolder();
    await using sealpost = await start(folder.path);
    const api = await sealpost.logIn();
    await api.save("warm", definition);
    const before = ((await postfix?.delivered(0)) ?? []).length;
    const trips: unknown[] = [];
    for (let message = 0; message < 2; message++) {
      const { body } = await api.call("POST", "/smtpserver/warm/send_test_email", {
        recipient: `warm${message}@${DOMAIN}`,
      });
      expect(body.result.value).toBe(true);
      trips.push(Object(body.detail?.delivery).round_trips);
    }
    // TCP, greeting, EHLO, STARTTLS, TLS, EHLO and AUTH come first; DATA would add one more to each.
    expect(trips).toEqual([8, 1]);
    const inbox = ((await postfix?.delivered(before + 2)) ?? []).join("\n");
    expect(inbox).toMatch(/^X-Original-To: warm0@/m);
    expect(inbox).toMatch(/^X-Original-To: warm1@/m);
  },
);

test.skipIf(obstacle !== null)("a rejection by Postfix is reported with phase, code and hint", async () => {
  using folder = temporaryFolder();
  await using sealpost = await start(folder.path);
  expect(await deliveryOf(sealpost, { ...definition, password: "wrong" })).toMatchObject({
    value: false,
    phase: "auth",
    code: "auth_rejected",
    outcome: "not-sent",
    hint: expect.stringContaining("username and password"),
  });
  expect(await deliveryOf(sealpost, { ...definition, tls: false })).toMatchObject({
    value: false,
    phase: "auth",
    code: "auth_not_offered",
    hint: expect.stringContaining("tls"),
  });
  const abroad = { ...definition, username: "", password: "", recipient: "you@elsewhere.example" };
  expect(await deliveryOf(sealpost, abroad)).toMatchObject({
    value: false,
    phase: "recipient",
    code: "auth_required",
    hint: expect.stringContaining("relay"),
    remedy: { parameter: "username", value: null },
  });
});

test.skipIf(obstacle !== null)(
  "Postfix gets the client certificate that it requires, and names it",
  async () => {
    using folder = temporaryFolder();
    await using sealpost = await start(folder.path);
    const before = ((await postfix?.delivered(0)) ?? []).length;
    const { key, cert } = material?.good ?? { key: "", cert: "" };
    const pair = { tls_certificate: cert, tls_private_key: key };
    const { starttls, implicit } = postfix?.clientPorts ?? { starttls: 0, implicit: 0 };
    const servers = [`smtp://localhost:${starttls}`, `smtps://localhost:${implicit}`];
    for (const server of servers) {
      const anonymous = { ...definition, server, username: "", password: "" };
      expect(await deliveryOf(sealpost, { ...anonymous, ...pair })).toMatchObject({ value: true });
      expect(await deliveryOf(sealpost, anonymous)).toMatchObject({
        value: false,
        code: "cert_required",
        outcome: "not-sent",
        hint: expect.stringContaining("tls_certificate and tls_private_key"),
        remedy: { parameter: "tls_certificate", value: null },
      });
      const { key, cert } = material?.untrusted ?? { key: "", cert: "" };
      const other = { ...anonymous, tls_certificate: cert, tls_private_key: key };
      expect(await deliveryOf(sealpost, other)).toMatchObject({ value: false, code: "cert_rejected" });
    }
    const inbox = ((await postfix?.delivered(before + servers.length)) ?? []).join("\n");
    expect(inbox.match(/\(Client CN "good", Issuer "ca" \(verified OK\)\)/g)).toHaveLength(2);
  },
);

test.skipIf(obstacle !== null)("a private authority is not trusted unless it is configured", async () => {
  using folder = temporaryFolder();
  await using sealpost = await start(folder.path, {});
  expect(await deliveryOf(sealpost, definition)).toMatchObject({
    value: false,
    phase: "certificate",
    code: "cert_untrusted",
    hint: expect.stringContaining("SEALPOST_TLS_CA"),
  });
});
