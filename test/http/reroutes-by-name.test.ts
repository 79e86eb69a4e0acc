import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { create } from "./apikey-support.ts";
import {
  ALLOWED,
  DENIED,
  GATEWAY,
  HOME,
  PASSWORD,
  type Send,
  start,
  status,
  WRITE,
} from "./reroutes-support.ts";

describe("once an active policy names smtpserver_route, a definition or gateway of a single token", () => {
  const EMAIL = { type: "email", user: "ann", dynamic_email: true };
  const SMS = { type: "sms", user: "ann", dynamic_phone: true };
  const FIXED = { user: "", email: "a@b.example", dynamic_email: null, phone: "+49170", dynamic_phone: null };
  let started: Awaited<ReturnType<typeof start>>;
  let writer: Send;
  let enroll: (json: object) => ReturnType<Send>;
  beforeAll(async () => {
    started = await start();
    const { admin, withRights } = started;
    writer = await withRights("writer", `${WRITE}, smtpserver_read`);
    const enroller = await withRights("enroller", "enrollEMAIL, enrollSMS");
    enroll = (json) => enroller("POST", "/token/init", json);
    await withRights("router", "smtpserver_route");
    const ann = { username: "ann", email: "ann@example.org", phone: "+491701234567" };
    await admin("POST", "/user/", { ...ann, password: PASSWORD });
    for (const name of ["chosen", "gone"]) {
      await admin("POST", `/smtpserver/${name}`, HOME);
      await admin("POST", "/smsgateway/", { ...GATEWAY, name });
      await admin("POST", "/token/init", { ...EMAIL, "email.identifier": name });
      await admin("POST", "/token/init", { ...SMS, "sms.identifier": name });
    }
    await admin("DELETE", "/smtpserver/gone");
    await admin("DELETE", "/smsgateway/gone");
  });
  afterAll(() => started.instance[Symbol.asyncDispose]());

  test.each([
    ["email", EMAIL, "email.identifier"],
    ["SMS", SMS, "sms.identifier"],
  ])("of type %s needs it, unless the settings name the same or the token has it", async (_, token, name) => {
    const chosen = { ...token, [name]: "chosen" };
    expect(await status(enroll(chosen))).toEqual(DENIED);
    expect(await status(enroll({ ...chosen, ...FIXED }))).toEqual(DENIED);
    expect(await status(enroll({ ...token, [name]: "default" }))).toEqual(ALLOWED);
    const { serial } = (await enroll(token)).detail ?? {};
    expect(await status(enroll({ ...chosen, serial }))).toEqual(DENIED);
    await started.admin("POST", "/token/init", { ...chosen, serial });
    expect(await status(enroll({ ...chosen, serial }))).toEqual(ALLOWED);
    expect(await status(enroll({ ...token, serial }))).toEqual(ALLOWED);
  });

  const evil = { ...GATEWAY, name: "chosen", "option.MAILTO": "m@evil.example" };
  test.each([
    ["a change", "POST", "/smtpserver/chosen", { ...HOME, server: "evil.example" }],
    ["its deletion", "DELETE", "/smtpserver/chosen", undefined],
    ["the definition of the name again", "POST", "/smtpserver/gone", HOME],
    ["a change of the gateway", "POST", "/smsgateway/", evil],
    ["the deletion of the gateway", "DELETE", "/smsgateway/chosen", undefined],
    ["the gateway of the name again", "POST", "/smsgateway/", { ...GATEWAY, name: "gone" }],
  ])("is in use: %s needs it", async (_, method, path, json) => {
    expect(await status(writer(method, path, json))).toEqual(DENIED);
  });

  test("is in use: `used_by` has the plugin", async () => {
    const { detail } = await writer("GET", "/smtpserver/?detail=1");
    expect(detail).toMatchObject({
      servers: { chosen: { used_by: ["email-token"] }, other: { used_by: [] } },
    });
    const { instance } = await start();
    await using _running = instance;
    await instance.request("POST", "/token/init", {
      json: { type: "email", email: "a@example.org", "email.identifier": "other" },
    });
    expect((await instance.request("DELETE", "/smtpserver/other")).detail).toEqual({
      used_by: ["email-token"],
    });
  });
});

test("an API key that is limited to some definitions redirects these, and no setting, gateway or token", async () => {
  const { instance, withRights } = await start();
  await using _running = instance;
  await withRights("router", "smtpserver_route");
  const rights = [...WRITE.split(", "), "enrollEMAIL", "smtpserver_route"];
  const withKey = async (servers: readonly string[]): Promise<Send> => {
    const { key } = await create(instance, { rights, servers });
    return (method, path, json) => instance.request(method, path, { token: key, ...(json ? { json } : {}) });
  };
  const email = { type: "email", email: "a@example.org" };
  const CHANGES: Parameters<Send>[] = [
    ["POST", "/smtpserver/default", { ...HOME, server: "new.example.org" }],
    ["POST", "/system/setConfig", { "recovery.identifier": "other" }],
    ["DELETE", "/system/recovery.identifier"],
    ["POST", "/smsgateway/", { ...GATEWAY, "option.MAILTO": "{phone}@new.example.org" }],
    ["POST", "/token/init", { ...email, "email.identifier": "other" }],
  ];
  const results = async (send: Send) => {
    const statuses: number[] = [];
    for (const change of CHANGES) statuses.push((await send(...change)).status);
    return statuses;
  };
  await instance.request("POST", "/system/setConfig", { json: { "recovery.identifier": "spare" } });
  expect(await results(await withKey(["default"]))).toEqual([200, 403, 403, 403, 403]);
  expect(await results(await withKey([]))).toEqual([200, 200, 200, 200, 200]);
});

test("a gateway that an event binding names is in use", async () => {
  const { instance } = await start({
    plugins: [directory(), smsGateway(), events(), emailToken({ smsGateway: "other" })],
  });
  await using _running = instance;
  const binding = {
    event: "user_add",
    handlermodule: "UserNotification",
    action: "sendsms",
    "option.To": "phone",
  };
  for (const [name, smsconfig] of [
    ["first", undefined],
    ["second", "spare"],
  ]) {
    const json = {
      ...binding,
      name,
      "option.To phone": "+4917",
      "option.body": "new",
      "option.smsconfig": smsconfig,
    };
    expect((await instance.request("POST", "/event/", { json })).status).toBe(200);
  }
  const usedBy = async (name: string) =>
    (await instance.request("DELETE", `/smsgateway/${name}`)).detail?.used_by;
  await instance.request("POST", "/smsgateway/", { json: { ...GATEWAY, name: "spare" } });
  expect(await usedBy("default")).toEqual(["events"]);
  expect(await usedBy("spare")).toEqual(["events"]);
  expect(await usedBy("other")).toEqual(["email-token"]);
});
