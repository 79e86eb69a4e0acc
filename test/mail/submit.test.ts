import { describe, expect, test } from "bun:test";
import type { Delivery, Transport } from "../../src/contracts/transport.ts";
import type { Receipt } from "../../src/domain/delivery.ts";
import type { Mailbox } from "../../src/domain/mailbox.ts";
import type { Message, MessageIdentity, NormalizedMessage } from "../../src/domain/message.ts";
import type { SubmitResult } from "../../src/mail/submission.ts";
import { assemble, protectHeaders } from "../../src/message/assemble.ts";
import { compose } from "../../src/message/compose.ts";
import { inspectIdentity } from "../../src/smime/identity.ts";
import { prepareSigner, signEntity } from "../../src/smime/sign.ts";
import { repeatableBytes, START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { ACCEPTED, failed, NO_SUCH_USER } from "../fixtures/receipts.ts";
import {
  type Authority,
  authorities,
  issue,
  leaf,
  mailExtensions,
  SENDER,
  sender,
} from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { opensslVerify } from "../fixtures/smime/verify.ts";

const TO: Mailbox = { name: "", address: "user@example.net" };
const MESSAGE = {
  ...{ to: [TO], subject: "Your code", text: "Your code is 123456.\n" },
} satisfies Message;
/** Random bytes that Message-ID and boundary use. */
const UNIQUE_BYTES = 16;
const SERVER = { server: "mail.example.org", sender: SENDER };

// PKCS#1 v1.5 gives the same signature each time; ECDSA does not, so only RSA can be compared byte for byte.
const identity = async () => {
  const { key, certificate, intermediate } = await sender("rsa");
  return { private_key: key, certificate: certificate + intermediate.certificate, smime: true };
};
const save = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/a", { json: { ...SERVER, ...json } });

/** Asserts that the message was not queued. */
function sentNow(result: SubmitResult) {
  if (result.state === "queued") throw new Error("The mail was queued");
  return result;
}

/** Builds the same message from its parts, without `submit`. */
async function byHand(
  message: NormalizedMessage,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const { private_key, certificate } = await identity();
  const given = { privateKey: private_key, passphrase: "", certificate, now: START };
  const { identity: signing } = await inspectIdentity(given);
  if (signing === null) throw new Error("The identity of the fixture does not sign");
  const fixed: MessageIdentity = {
    from: { name: "", address: SENDER },
    date: START,
    messageId: `<${randomBytes(16).toHex()}@example.org>`,
    boundary: randomBytes(16).toHex(),
  };
  const composed = await compose(message, fixed);
  const options = { date: START, boundary: `signed_${fixed.boundary}` };
  const entity = await signEntity(protectHeaders(composed), await prepareSigner(signing), options);
  return assemble(composed.headers, entity);
}

/** Randomness that can be rewound, so that the next message draws the same bytes as the last one. */
function tape() {
  const source = repeatableBytes();
  let recorded: Uint8Array<ArrayBuffer>[] = [];
  let playing: Uint8Array<ArrayBuffer>[] = [];
  return {
    randomBytes(length: number): Uint8Array<ArrayBuffer> {
      // A message draws 16 bytes at a time. Request IDs, nonces and ETags are shorter.
      const bytes = (length === UNIQUE_BYTES ? playing.shift() : undefined) ?? source(length);
      if (length === UNIQUE_BYTES) recorded.push(bytes.slice());
      return bytes;
    },
    record() {
      recorded = [];
    },
    rewind() {
      playing = recorded;
      recorded = [];
    },
  };
}

const sameBytes = (left: Uint8Array | undefined, right: Uint8Array | undefined) => {
  expect(new TextDecoder().decode(left)).toBe(new TextDecoder().decode(right));
  expect(Buffer.compare(left ?? Buffer.of(0), right ?? Buffer.of(1))).toBe(0);
};

describe.skipIf(!isInstalled("openssl"))("submit()", () => {
  test("passes the signer's bytes unchanged to the transport", async () => {
    const { randomBytes, record, rewind } = tape();
    await using instance = await testInstance({ randomBytes });
    await save(instance, await identity());
    record();
    const result = await instance.services.submit("a", MESSAGE);
    expect(result).toMatchObject({ state: "delivered", smime: { signed: true } });
    rewind();
    const expected = await byHand(MESSAGE, randomBytes);
    sameBytes(instance.sent[0]?.bytes, expected);
    expect((await opensslVerify(expected, (await sender("rsa")).root)).code).toBe(0);
  });

  test("and the test endpoint give identical bytes for the same message", async () => {
    const { randomBytes, record, rewind } = tape();
    await using instance = await testInstance({ randomBytes });
    await save(instance, await identity());
    const json = { ...SERVER, ...(await identity()), recipient: TO.address, identifier: "a" };
    record();
    expect((await instance.request("POST", "/smtpserver/send_test_email", { json })).value).toBe(true);
    const text = "This is a test email from Sealpost.\n\nThe configuration a works.\n";
    const message = { to: [TO], subject: "Test Email from Sealpost", text };
    rewind();
    await instance.services.submit("a", message);
    sameBytes(instance.sent[0]?.bytes, instance.sent[1]?.bytes);
    rewind();
    sameBytes(instance.sent[0]?.bytes, await byHand(message, randomBytes));
  });

  test("sends each recipient the same bytes in a transaction of its own, all named in To", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    const to = ["one", "two", "three"].map((name) => ({ name, address: `${name}@example.net` }));
    const result = sentNow(await instance.services.submit("a", { ...MESSAGE, to }));
    expect(result.recipients.map(({ recipient }) => recipient)).toEqual(to.map(({ address }) => address));
    expect(instance.sent.map(({ recipient }) => recipient)).toEqual(to.map(({ address }) => address));
    sameBytes(instance.sent[0]?.bytes, instance.sent[2]?.bytes);
    const text = new TextDecoder().decode(instance.sent[0]?.bytes);
    for (const { address } of to) expect(text).toContain(address);
  });

  test("uses one pool key for one version of a definition, and another after a change", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    await instance.services.submit("a", MESSAGE);
    await instance.services.submit("a", MESSAGE);
    await save(instance, { password: "new", username: "u" });
    await instance.services.submit("a", MESSAGE);
    const [first, second, third] = instance.sent.map(({ poolKey }) => poolKey);
    expect(first).toEqual(expect.any(String));
    expect(second).toBe(first ?? "");
    expect(third).not.toBe(first ?? "");
    expect(instance.sent[2]?.server.password.reveal()).toBe("new");
  });

  test("of an unknown definition fails as server_unknown", async () => {
    await using instance = await testInstance();
    expect(await instance.services.submit("none", MESSAGE)).toMatchObject({
      state: "failed",
      failure: { phase: "policy", code: "server_unknown", outcome: "not-sent", retryable: false },
    });
  });

  test("prefers an explicit From to the sender, and writes Reply-To only if it is set", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    const from = { name: "Office", address: "office@example.org" };
    await instance.services.submit("a", { ...MESSAGE, from, replyTo: [TO] });
    await instance.services.submit("a", MESSAGE);
    const [first, second] = instance.sent.map(({ bytes }) => new TextDecoder().decode(bytes));
    expect(instance.sent[0]?.from).toBe("office@example.org");
    expect(first).toContain("From: Office <office@example.org>\r\n");
    expect(first).toContain("Reply-To: user@example.net\r\n");
    expect(second).not.toMatch(/^(Reply-To|Bcc):/im);
  });

  test("counts an explicit From that the certificate does not name as a signing failure", async () => {
    await using instance = await testInstance();
    const from = { name: "", address: "other@example.org" };
    for (const dont_send_on_error of [false, true]) {
      await save(instance, { ...(await identity()), dont_send_on_error });
      const result = await instance.services.submit("a", { ...MESSAGE, from });
      expect(result.smime).toMatchObject({ signed: false, code: "sign_sender" });
      expect(result.state).toBe(dont_send_on_error ? "failed" : "delivered");
    }
    expect(instance.sent).toHaveLength(1);
  });

  test("does not sign an explicit From that only a later certificate names", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const certificateFor = (addresses: string) =>
      leaf({ key, extensions: mailExtensions("subjectAltName", addresses) });
    const signed = {
      smime: true,
      certificate: await certificateFor(`email:${SENDER},email:news@example.org`),
    };
    await save(instance, { ...signed, private_key: key });
    const signedAs = async (address: string) =>
      (await instance.services.submit("a", { ...MESSAGE, from: { name: "", address } })).smime;
    expect(await signedAs("news@example.org")).toMatchObject({ signed: true });
    const later = await certificateFor(`email:${SENDER},email:news@example.org,email:ceo@example.org`);
    expect((await save(instance, { ...signed, certificate: later })).status).toBe(200);
    for (const address of [SENDER, "news@example.org"])
      expect(await signedAs(address)).toMatchObject({ signed: true });
    expect(await signedAs("ceo@example.org")).toMatchObject({
      ...{ signed: false, code: "sign_sender", reason: expect.stringContaining("not given for") },
    });
    expect((await save(instance, { ...signed, certificate: later, private_key: key })).status).toBe(200);
    expect(await signedAs("ceo@example.org")).toMatchObject({ signed: true });
  });

  test("does not sign for a sender that the key was not given with, and the certificate does not name", async () => {
    await using instance = await testInstance();
    await save(instance, { ...(await identity()), sender: "given@example.org" });
    const signedAs = async (address: string) => {
      await instance.database.write.run(
        `UPDATE smtp_server SET sender = '${address}', version = version + 1`,
      );
      return (await instance.services.submit("a", MESSAGE)).smime;
    };
    expect(await signedAs("given@example.org")).toMatchObject({ signed: true });
    expect(await signedAs(SENDER)).toMatchObject({ signed: true });
    expect(await signedAs("else@example.org")).toMatchObject({ signed: false, code: "sign_sender" });
  });

  test("stops signing when the certificate expires, even with a prepared key", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notAfter: "20260601130000Z" });
    await save(instance, { private_key: key, certificate, smime: true });
    const signed = async () => (await instance.services.submit("a", MESSAGE)).smime;
    expect(await signed()).toEqual({ signed: true, encrypted: false });
    instance.clock.advance(3_600);
    expect(await signed()).toEqual({ signed: true, encrypted: false });
    instance.clock.advance(1);
    expect(await signed()).toMatchObject({ signed: false, code: "sign_expired" });
  });

  test("signs with the renewed certificate when the other one ends, even with a prepared key", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const { intermediate } = await authorities();
    const incomplete = await leaf({ key, by: await stranger() });
    const ending = (await leaf({ key, notAfter: "20260601130000Z" })) + intermediate.certificate;
    await save(instance, { private_key: key, certificate: incomplete + ending, smime: true });
    const signed = async () => (await instance.services.submit("a", MESSAGE)).smime;
    expect(await signed()).toMatchObject({ signed: true });
    instance.clock.advance(3_601);
    expect(await signed()).toMatchObject({ signed: true });
  });

  test("reports the first recipient that was not reached, and the outcome of each", async () => {
    await using instance = await testInstance({
      transport: answering(({ recipient }) =>
        recipient.startsWith("bad") ? failed(NO_SUCH_USER) : ACCEPTED,
      ),
    });
    await save(instance, {});
    const to = ["good", "bad"].map((name) => ({ name: "", address: `${name}@example.net` }));
    const result = sentNow(await instance.services.submit("a", { ...MESSAGE, to }));
    expect(result).toMatchObject({ state: "failed", failure: { code: "recipient_rejected" } });
    expect(result.recipients.map(({ receipt }) => receipt.successful)).toEqual([true, false]);
  });

  test("that is cancelled before the body fails as cancelled", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    const signal = AbortSignal.abort();
    expect(await instance.services.submit("a", MESSAGE, { signal })).toMatchObject({
      state: "failed",
      failure: { code: "cancelled", outcome: "not-sent", retryable: true },
    });
  });
});

/** An authority that is not in the chain. */
async function stranger(): Promise<Authority> {
  const key = await privateKey("p256", "stranger");
  const extensions = ["basicConstraints=critical,CA:TRUE"];
  return { key, certificate: await issue({ key, subject: "/CN=Stranger", extensions }) };
}

function answering(answer: (delivery: Delivery) => Receipt): Transport {
  return {
    name: "answering",
    send: async (delivery) => answer(delivery),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
