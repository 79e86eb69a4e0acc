import { describe, expect, test } from "bun:test";
import type { Transport } from "sealpost/driver";
import { notSent } from "../../../src/domain/delivery.ts";
import { auditRows, deliveredMails, drain } from "../../fixtures/delivered.ts";
import { ACCEPTED, failed } from "../../fixtures/receipts.ts";
import { leaf, SENDER } from "../../fixtures/smime/authority.ts";
import { privateKey } from "../../fixtures/smime/keys.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { bind, eventsInstance } from "./fixtures/bindings.ts";

const TO_OPS = { "option.To": "email", "option.To email": "ops@example.org" };
const FAILURES_TO_OPEN = 5;

describe("events of Sealpost itself", () => {
  test.skipIf(!isInstalled("openssl"))("report a certificate that expires soon once a day", async () => {
    await using instance = await eventsInstance();
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notAfter: "20260610120000Z" });
    const definition = {
      server: "mail.example.org",
      sender: SENDER,
      private_key: key,
      certificate,
      smime: true,
    };
    expect((await instance.request("POST", "/smtpserver/signing", { json: definition })).status).toBe(200);
    await bind(instance, {
      ...TO_OPS,
      event: "certificate_expiring",
      conditions: { identifier: "sign*" },
      "option.subject": "{identifier}: {days_left} days, until {expires}",
    });
    await instance.services.prune();
    await instance.services.prune();
    const messages = await deliveredMails(instance);
    expect(messages.map(({ subject }) => subject)).toEqual(["signing: 9 days, until 2026-06-10"]);
  });

  test("report a mail server that is down once, through another one", async () => {
    const hosts: string[] = [];
    const transport: Transport = {
      name: "one is down",
      async send({ server }) {
        hosts.push(server.host);
        return server.host === "up.example.org" ? ACCEPTED : failed(notSent("connect", "refused"));
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
    await using instance = await eventsInstance({ transport });
    await instance.request("POST", "/smtpserver/up", {
      json: { server: "up.example.org", sender: "a@example.org" },
    });
    await bind(instance, { ...TO_OPS, event: "circuit_opened", "option.emailconfig": "up" });
    await bind(instance, { ...TO_OPS, event: "circuit_opened", conditions: { reason: "timeout" } });
    const message = { to: [{ name: "", address: "ann@example.net" }], subject: "x", text: "x" };
    for (let index = 0; index < FAILURES_TO_OPEN + 2; index++)
      await instance.services.submit("default", message);
    await drain(instance);
    expect(hosts.filter((host) => host === "up.example.org")).toHaveLength(1);
    expect(await auditRows(instance, "event circuit_opened")).toEqual([]);
  });
});
