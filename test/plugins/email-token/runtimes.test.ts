import { expect } from "bun:test";
import { join } from "node:path";
import PostalMime from "postal-mime";
import { type SmtpTestServer, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { type Api, request } from "../../fixtures/process/api.ts";
import { onEachRuntime } from "../on-each-runtime.ts";
import { ANN, codeIn, PIN } from "./support.ts";

const config = join(import.meta.dir, "fixtures", "worker-config.ts");
const env = { SEALPOST_BASE_URL: "https://login.example.org" };

/**
 * ann has an email and an SMS token. Her PIN triggers both, and one of six concurrent checks of a code wins. Then her
 * token changes, and a new token and a new address count once their code came back.
 */
async function live(origin: string, admin: Api): Promise<void> {
  await using smtp = await startSmtpServer();
  await admin.save("default", { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" });
  await admin.call("POST", "/smsgateway", { name: "default", "option.MAILTO": "{phone}@sms.example.org" });
  await admin.call("POST", "/user/", ANN);
  const token = { user: "ann", pin: PIN };
  for (const way of [
    { type: "email", dynamic_email: true, serial: "EMAIL1" },
    { type: "sms", dynamic_phone: true, serial: "SMS1" },
  ]) {
    const enrolled = await admin.call("POST", "/token/init", { ...token, ...way });
    expect(enrolled.body.result.value).toBe(true);
  }
  const check = async (parameters: object) => {
    const headers = { "content-type": "application/json", "accept-language": "de" };
    const body = JSON.stringify({ user: "ann", ...parameters });
    return (await request(`${origin}/validate/check`, { method: "POST", headers, body })).body;
  };
  const codeFor = async (recipient: string, earlier: number) => {
    const theirs = () => smtp.messages.filter(({ recipients }) => recipients.includes(recipient));
    expect(theirs()).toHaveLength(earlier + 1);
    const message = await PostalMime.parse(theirs()[earlier]?.bytes ?? "");
    return { message, code: codeIn(message) };
  };

  expect((await check({ pass: "wrong" })).result).toMatchObject({ value: false, authentication: "REJECT" });
  const asked = await check({ pass: PIN });
  expect(asked.result).toMatchObject({ value: false, authentication: "CHALLENGE" });
  const { transaction_id } = asked.detail as { transaction_id?: string };
  const { message, code } = await codeFor(ANN.email, 0);
  expect(message.subject).toBe("Ihr Code");
  expect(message.html).toContain(`<html lang="de">`);
  expect(message.headers.find(({ key }) => key === "otp-token")?.value).toBe(
    `"${code}"; origin="https://login.example.org"`,
  );
  const responses = await Promise.all(Array.from({ length: 6 }, () => check({ transaction_id, pass: code })));
  expect(responses.filter(({ result }) => result.value === true)).toHaveLength(1);

  await admin.call("POST", "/validate/triggerchallenge", { user: "ann", type: "sms" });
  // Within 30 seconds, the challenge is about the code that was already sent.
  const sms = await codeFor("+491701234567@sms.example.org", 0);
  expect(sms.message.text).toContain("ist Ihr Code");

  const serial = "EMAIL1";
  const change = async (path: string, json: object = {}) =>
    (await admin.call("POST", `/token/${path}`, { serial, ...json })).body.result.value;
  const triggered = async (earlier: number) => {
    const { body } = await admin.call("POST", "/validate/triggerchallenge", { serial });
    const { transaction_id } = body.detail as { transaction_id?: string };
    return { transaction_id, pass: (await codeFor(ANN.email, earlier)).code };
  };
  const open = await triggered(1);
  expect([await change("disable"), await change("disable"), await change("enable")]).toEqual([1, 0, 1]);
  expect((await check(open)).result).toMatchObject({ authentication: "REJECT" });
  const replacing = { type: "email", user: "ann", dynamic_email: true, pin: "a new one" };
  const before = await triggered(2);
  expect(await change("init", replacing)).toBe(true);
  expect((await check(before)).result).toMatchObject({ authentication: "REJECT" });
  expect((await check({ pass: PIN })).result).toMatchObject({ authentication: "REJECT" });
  expect((await check({ ...(await triggered(3)) })).result).toMatchObject({ authentication: "ACCEPT" });
  expect([await change("unassign"), await change("assign", { user: "ann" }), await change("revoke")]).toEqual(
    [1, true, 1],
  );
  expect((await check({ pass: "a new one" })).detail).toMatchObject({ serial: "SMS1" });
  await confirmed(smtp, admin);
}

/** A new token and a new address count once the code that was sent comes back. */
async function confirmed(smtp: SmtpTestServer, admin: Api): Promise<void> {
  // The code of another token, and of another address, is the last message to it.
  const lastTo = async (recipient: string) => {
    const theirs = smtp.messages.filter(({ recipients }) => recipients.includes(recipient));
    return codeIn(await PostalMime.parse(theirs.at(-1)?.bytes ?? ""));
  };
  const call = async (method: string, path: string, parameters: Record<string, unknown>) =>
    (await admin.call(method, path, parameters)).body;
  await call("POST", "/system/setConfig", { "email.verify_enrollment": true });
  const desk = { type: "email", email: "desk@example.org", serial: "DESK" };
  expect((await call("POST", "/token/init", desk)).detail).toMatchObject({ rollout_state: "verify" });
  const verify = await lastTo(desk.email);
  expect((await call("POST", "/token/init", { ...desk, verify })).detail).toMatchObject({
    rollout_state: "enrolled",
  });
  const moved = { user: "ann", email: "ann@example.net", confirm_email: true };
  expect((await call("PUT", "/user/", moved)).result.value).toBe(true);
  const confirm = await lastTo(moved.email);
  expect((await call("PUT", "/user/", { user: "ann", confirm })).result.value).toBe(true);
  expect((await admin.call("GET", "/user/?username=ann")).body.result.value).toMatchObject([
    { email: moved.email },
  ]);
}

onEachRuntime(
  "a code by email or SMS is accepted once, and ends an enrollment or a change of address",
  { config, env },
  live,
);
