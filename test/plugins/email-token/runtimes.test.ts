import { expect } from "bun:test";
import { join } from "node:path";
import PostalMime from "postal-mime";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { type Api, request } from "../../fixtures/process/api.ts";
import { onEachRuntime } from "../on-each-runtime.ts";
import { ANN, codeIn, PIN } from "./support.ts";

const config = join(import.meta.dir, "fixtures", "worker-config.ts");
const env = { SEALPOST_BASE_URL: "https://login.example.org" };

/** ann has an email and an SMS token. Her PIN triggers both, and one of six concurrent checks of a code wins. */
async function live(origin: string, admin: Api): Promise<void> {
  await using smtp = await startSmtpServer();
  await admin.save("default", { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" });
  await admin.call("POST", "/smsgateway", { name: "default", "option.MAILTO": "{phone}@sms.example.org" });
  await admin.call("POST", "/user/", ANN);
  const token = { user: "ann", pin: PIN };
  for (const way of [
    { type: "email", dynamic_email: true },
    { type: "sms", dynamic_phone: true },
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
}

onEachRuntime("a code by email or SMS is accepted once", { config, env }, live);
