import { describe, expect, test } from "bun:test";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { PIN, SERVER, type Started, started, verdictOf } from "./support.ts";

const init = (it: Started, json: object) =>
  it.post("/token/init", { type: "email", user: "ann", dynamic_email: true, pin: PIN, ...json });
const senders = async (it: Started) => (await it.messages()).map(({ from }) => from?.address);
const outcomeOf = async (response: ReturnType<Started["post"]>) => {
  const { status, error } = await response;
  return [status, error?.code, error?.message];
};

describe("email.identifier of a token", () => {
  test("is the definition that its codes go through, and no other, even after it was deleted", async () => {
    await using it = await started();
    await it.post("/smtpserver/other", { ...SERVER, sender: "other@example.org" });
    await it.post("/system/setConfig", { "email.identifier": "default" });
    const serial = String((await init(it, { "email.identifier": "other" })).detail?.serial);
    const { value } = await it.request("GET", "/token/");
    expect(value).toMatchObject({ tokens: [{ info: { dynamic_email: true, "email.identifier": "other" } }] });
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))[2]).toBe("CHALLENGE");
    expect(await senders(it)).toEqual(["other@example.org"]);

    const saved = await it.post("/smtpserver/other", { ...SERVER, sender: "other@example.org" });
    expect(saved.status).toBe(200);
    const { value: plugins } = await it.request("GET", "/plugins/");
    expect(plugins).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ name: "email-token", servers: ["default", "other"] }),
      ]),
    );
    expect((await it.request("DELETE", "/smtpserver/other")).value).toBe(true);
    it.clock.advance(31);
    const { detail, value: triggered } = await it.trigger({ serial });
    expect(triggered).toBe(0);
    expect(detail?.failures).toMatchObject([{ serial, code: "server_unknown" }]);
    expect(it.sent).toHaveLength(1);
  });

  test("must exist, belong to the type, and is the setting again after it was left out", async () => {
    await using it = await started();
    await it.post("/smtpserver/other", { ...SERVER, sender: "other@example.org" });
    expect(await outcomeOf(init(it, { "email.identifier": "none" }))).toEqual([
      400,
      905,
      "ERR905: Invalid parameter: email.identifier: there is no server definition of this name",
    ]);
    expect(await outcomeOf(init(it, { "sms.identifier": "default" }))).toEqual([
      400,
      905,
      "ERR905: Invalid parameter: sms.identifier: tokens of type email do not use it",
    ]);
    const serial = (await init(it, { "email.identifier": "other" })).detail?.serial;
    expect((await init(it, { serial, "email.identifier": "" })).status).toBe(200);
    await it.check({ user: "ann", pass: PIN });
    expect(await senders(it)).toEqual([SERVER.sender]);
  });
});

test("sms.identifier of a token is the gateway that its codes go through", async () => {
  await using it = await started({ plugins: [smsGateway()] });
  for (const [name, domain] of [
    ["default", "sms.example.org"],
    ["other", "other.example.org"],
  ])
    await it.post("/smsgateway", { name, "option.MAILTO": `{phone}@${domain}` });
  const sms = { type: "sms", dynamic_email: null, dynamic_phone: true };
  expect((await outcomeOf(init(it, { ...sms, "sms.identifier": "none" }))).slice(0, 2)).toEqual([400, 905]);
  const serial = (await init(it, { ...sms, "sms.identifier": "other" })).detail?.serial;
  const { value } = await it.request("GET", "/token/");
  expect(value).toMatchObject({ tokens: [{ info: { dynamic_phone: true, "sms.identifier": "other" } }] });
  await it.check({ user: "ann", pass: PIN });
  expect(it.sent.map(({ recipient }) => recipient)).toEqual(["+491701234567@other.example.org"]);
  await it.request("DELETE", "/smsgateway/other");
  it.clock.advance(31);
  expect((await it.trigger({ serial })).detail?.failures).toMatchObject([{ code: "gateway_unknown" }]);
  expect(it.sent).toHaveLength(1);
});
