import { ADMIN, type TestInstance } from "../fixtures/instance.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import type { TokenServer } from "../fixtures/token-server.ts";
import { consent, saveMain, start } from "../http/oauth-support.ts";

/** Values of parameters by name that are right for the instance at this moment. */
export type Known = Readonly<Record<string, unknown>>;

/** Creates what the routes of a path need, and returns its names. It is called before each request. */
type Prepare = (instance: TestInstance, count: number, tokenServer: TokenServer) => Promise<Known>;

export const DEFINITION = { server: "mail.example.org", sender: "app@example.org" };
const CODES = { code: "ABCDE-FGHJK", transaction_id: "01234567890123456789", recoverycode: "abcdefgh" };
const PHONE = "+491701234567";
const PERSON = { email: "ann@example.org", phone: PHONE, mobile: PHONE, givenname: "Ann", surname: "Lee" };
const ANN = { username: "ann", password: "correct horse battery", ...PERSON };
const TOKEN = { type: "email", user: ANN.username, dynamic_email: true, pin: "1234", serial: "EMAIL01" };
const MAIL = { server: "main", to: "bob@example.net", cc: "amy@example.net", from: "app@example.org" };
const POLICY = { scope: "admin", action: "*" };
const GATEWAY = { name: "main", "option.MAILTO": "{phone}@sms.example.org" };
const API_KEY = {
  ...{ name: "shop", rights: ["auditlog"], servers: "main" },
  ...{ client: "192.0.2.0/24", expires_at: "2030-01-31T12:00:00Z" },
};
const BINDING = { name: "main", event: "user_add", handlermodule: "UserNotification", action: "sendmail" };

/** For every operation, unless its preparation knows better. */
export const COMMON: Known = {
  ...{ ...DEFINITION, ...ANN, ...TOKEN, ...POLICY, ...CODES },
  ...{
    realm: "default",
    resolver: "default",
    recipient: "bob@example.net",
    text: "Hello",
    description: "A text",
  },
  ...{ pass: TOKEN.pin, otppin: "4321", until: "recipient", since: "2026-01-01T00:00:00Z" },
  ...{ "Idempotency-Key": "a key", "If-Match": "*" },
};

/** Right values of settings of every kind. */
export const SETTINGS: Known = {
  ...{
    "email.identifier": "default",
    "email.validtime": 120,
    "email.subject": "Code {otp}",
    "email.text": "{otp}",
  },
  ...{ "email.challenge_text": "Enter the code", "email.html": "<p>{otp}</p>", "sms.identifier": "main" },
  ...{ "sms.text": "{otp}", "sms.providerTimeout": 120, "recovery.enabled": true, "recovery.text": "{code}" },
  ...{ "register.enabled": true, "register.requiredemail": "example.org", "register.hide_existing": false },
  ...{ "register.validtime": 86_400, "register.text": "{code}" },
};

const saveDefinition: Prepare = async ({ request }) => {
  // Fields that a request leaves out would keep what an earlier one has set.
  await request("DELETE", "/smtpserver/main");
  await request("POST", "/smtpserver/main", { json: DEFINITION });
  return { identifier: "main" };
};
const saveSignIn: Prepare = async (instance, _, tokenServer) => {
  await instance.request("DELETE", "/smtpserver/main");
  await saveMain(instance, tokenServer);
  return { identifier: "main" };
};
const addPerson: Prepare = async ({ request }, count) => {
  const username = `user${count}`;
  await request("POST", "/user/", { json: { ...ANN, username } });
  return { username, user: username, serial: `EMAIL${count}` };
};
const enroll: Prepare = async (...given) => {
  const person = await addPerson(...given);
  await given[0].request("POST", "/token/init", { json: { ...TOKEN, ...person } });
  return person;
};

/** By the first part of the path, or by operation where its requests need something else. */
export const PREPARATIONS: Readonly<Record<string, Prepare>> = {
  auth: async () => ({ ...ADMIN }),
  admin: async ({ request }, count) => {
    const admin = { username: `admin${count}`, realm: "", password: ANN.password };
    await request("POST", "/admin/", { json: admin });
    return admin;
  },
  addAdmin: async (_, count) => ({ username: `admin${count}`, realm: "" }),
  policy: async ({ request }) => {
    // A policy that allows everything, so that those of requests lock no one out.
    for (const name of ["all", "main"]) await request("POST", `/policy/${name}`, { json: POLICY });
    return {
      name: "main",
      client: "192.0.2.0/24",
      time: "Mon-Fri: 8:00-18:00",
      adminuser: "a*",
      adminrealm: "b",
    };
  },
  apikey: async ({ request }) => {
    const { value } = await request("POST", "/apikey/", { json: API_KEY });
    return { ...API_KEY, ...(value as { readonly id: string }) };
  },
  smtpserver: saveDefinition,
  inspectIdentity: async () => {
    const { key, certificate } = await sender("p256");
    return { private_key: key, certificate, sender: SENDER };
  },
  startOAuthSignIn: saveSignIn,
  oauth: async (...given) => {
    await saveSignIn(...given);
    const path = await consent(await start(given[0]));
    const { state, code } = Object.fromEntries(new URL(path, "http://sealpost.test").searchParams);
    return { state, code };
  },
  mail: async (...given) => {
    await saveDefinition(...given);
    const mail = {
      from: { name: "", address: "me@example.org" },
      to: [{ name: "", address: "bob@example.net" }],
    };
    const content = { subject: "Hello", text: "Hi" };
    const result = await given[0].services.submit("main", { ...mail, ...content }, { queue: true });
    return { id: result.state === "queued" ? result.mailId : "" };
  },
  sendMail: async (...given) => {
    await saveDefinition(...given);
    const inMinutes = (minutes: number) =>
      new Date(given[0].clock.now.getTime() + minutes * 60_000).toISOString();
    return {
      ...{ ...MAIL, bcc: [], reply_to: MAIL.cc, subject: "Hello", html: "<p>Hello</p>", queue: true },
      ...{ attachments: [], headers: { "X-A": "b" }, purpose: "notice", smime_encrypt: false },
      ...{ send_at: inMinutes(10), expires_at: inMinutes(20) },
    };
  },
  sendMailBatch: async (...given) => {
    await saveDefinition(...given);
    return { messages: [MAIL] };
  },
  system: async ({ request }) => {
    await request("POST", "/system/setConfig", { json: { "email.validtime": 120 } });
    return { ...SETTINGS, key: "email.validtime" };
  },
  realm: async () => ({ name: "default" }),
  resolver: async () => ({ name: "default" }),
  user: addPerson,
  addUser: async (_, count) => ({ username: `user${count}`, user: `user${count}` }),
  smsgateway: async ({ request }) => {
    const { value: id } = await request("POST", "/smsgateway/", { json: GATEWAY });
    return { ...GATEWAY, gateway: GATEWAY.name, id, key: "BODY" };
  },
  token: enroll,
  initToken: addPerson,
  validate: enroll,
  recover: addPerson,
  register: async (_, count) => ({ username: `user${count}`, email: `user${count}@example.org` }),
  event: async ({ request }) => {
    const { value: id } = await request("POST", "/event/", { json: BINDING });
    return { ...BINDING, id, module: BINDING.handlermodule };
  },
};
