import { expect, setDefaultTimeout, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { drain } from "../fixtures/delivered.ts";
import { ADMIN, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";

// SpamAssassin needs some seconds to read its rules.
setDefaultTimeout(60_000);
const hasSpamAssassin = isInstalled("spamassassin");
if (!hasSpamAssassin)
  console.warn("Skipped: scores of SpamAssassin (Debian package spamassassin) are not computed");

const LANGUAGES = ["en", "de"];
const SMS_MODULE = "privacyidea.lib.smsprovider.SmtpSMSProvider.SmtpSMSProvider";
const PASSWORD = "a long enough password";

/** Sends every built-in message in each of its languages. */
async function sendAll(instance: TestInstance): Promise<void> {
  const token = await instance.logIn(ADMIN.username, ADMIN.password);
  const send = async (method: string, path: string, json: object, language = "en") => {
    const headers = { "Accept-Language": language };
    const { status, text } = await instance.request(method, path, { json, headers, token });
    if (status !== 200) throw new Error(`${path}: ${text}`);
  };
  const post = (path: string, json: object, language?: string) => send("POST", path, json, language);
  await post("/smtpserver/default", {
    server: "mail.example.org",
    sender: "Accounts <accounts@example.org>",
  });
  await post("/smtpserver/send_test_email", {
    ...{ server: "mail.example.org", sender: "accounts@example.org", identifier: "default" },
    recipient: "ann@example.net",
  });
  await post("/smsgateway", {
    name: "default",
    module: SMS_MODULE,
    "option.MAILTO": "{phone}@sms.example.net",
  });
  await post("/smsgateway/send_test_sms", { name: "default", phone: "+491701234567" });
  for (const language of LANGUAGES) {
    for (const mimetype of ["plain", "html"]) {
      const options = { "option.mimetype": mimetype, "option.language": language };
      const binding = {
        event: "user_add",
        handlermodule: "UserNotification",
        action: "sendmail",
        ...options,
      };
      await post("/event", { name: `${mimetype} ${language}`, ...binding });
    }
  }
  for (const [number, language] of LANGUAGES.entries()) {
    const user = { username: `ann${number}`, email: `ann${number}@example.net`, givenname: "Ann" };
    await post("/user/", { ...user, password: PASSWORD });
    await drain(instance);
    const owner = { user: user.username, realm: "default" };
    await post("/token/init", { type: "email", ...owner, dynamic_email: 1, pin: "1234" });
    await post("/validate/triggerchallenge", owner, language);
    await post("/token/init", { type: "email", ...owner, email: "other@example.org" }, language);
    await post("/recover", { ...owner, email: user.email }, language);
    await drain(instance);
    const link = /#(\S+)/.exec(new TextDecoder().decode(instance.sent.at(-1)?.bytes).replaceAll("=\r\n", ""));
    const recoverycode = new URLSearchParams(link?.[1]?.replaceAll("=3D", "=")).get("code");
    await post("/recover/reset", { ...owner, recoverycode, password: `${PASSWORD} 2` }, language);
    const register = {
      email: `new${number}@example.net`,
      givenname: "Ann",
      surname: "Lee",
      password: PASSWORD,
    };
    await post("/register", { ...register, username: `new${number}` }, language);
    await post("/register", { ...register, username: user.username }, language);
    const email = `later${number}@example.net`;
    await send("PUT", "/user/", { ...owner, email, confirm_email: true }, language);
    const code = /\b\d{8}\b/.exec(new TextDecoder().decode(instance.sent.at(-1)?.bytes))?.[0];
    await send("PUT", "/user/", { ...owner, confirm: code }, language);
    await drain(instance);
  }
}

test.skipIf(!hasSpamAssassin)("SpamAssassin gives no built-in message a score above 0", async () => {
  const plugins = [
    directory(),
    smsGateway(),
    emailToken(),
    events(),
    recovery({ enabled: true, leastAnswerMs: 0 }),
    registration({ enabled: true }),
  ];
  await using instance = await testInstance({ plugins });
  // Rules compare Date with the current time.
  instance.clock.now = new Date();
  await sendAll(instance);
  const perLanguage = 4 + 9;
  expect(instance.sent).toHaveLength(2 + LANGUAGES.length * perLanguage);
  const scores = await scoresOf(instance.sent.map(({ bytes }) => new TextDecoder().decode(bytes)));
  expect(scores).toHaveLength(instance.sent.length);
  const held = scores.flatMap((status, index) => {
    const text = new TextDecoder().decode(instance.sent[index]?.bytes);
    const [subject] = /^subject: .*$/im.exec(text) ?? [];
    return Number(/score=(\S+)/.exec(status)?.[1]) <= 0 ? [] : [`${subject}: ${status}`];
  });
  expect(held).toEqual([]);
});

/** Returns `score=… tests=…` of each message by local rules. One run for all, because its start takes most of the time. */
async function scoresOf(messages: readonly string[]): Promise<string[]> {
  const mbox = messages.map(
    (text) => `From test Thu Jan  1 00:00:00 1970\n${text.replaceAll("\r\n", "\n")}\n`,
  );
  const child = Bun.spawn(["spamassassin", "-L", "-t", "--mbox"], {
    ...{ stdin: new TextEncoder().encode(mbox.join("")), stdout: "pipe", stderr: "ignore" },
  });
  const text = await new Response(child.stdout).text();
  const statuses = text.matchAll(/^X-Spam-Status: ((?:.|\n[ \t])*)/gm);
  return [...statuses].map(([, status = ""]) => status.replace(/\n[ \t]+/g, " "));
}
