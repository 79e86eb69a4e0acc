import { describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { definePlugin, type SealpostEvent } from "sealpost/plugin";
import * as v from "valibot";
import { START, type TestInstance, testInstance } from "../../fixtures/instance.ts";
import { authorities, issue, leaf, SENDER } from "../../fixtures/smime/authority.ts";
import { privateKey } from "../../fixtures/smime/keys.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";

const DAY_SECONDS = 24 * 3_600;

/** An instance whose definition `signing` has a certificate that expires on 10 July, and its events. */
async function signing(more: Readonly<Record<string, unknown>> = {}) {
  const received: SealpostEvent[] = [];
  const listener = definePlugin({
    name: "listener",
    options: v.object({}),
    setup: () => ({ on: { certificate_expiring: (event) => void received.push(event) } }),
  });
  const instance = await testInstance({ plugins: [listener()] });
  const key = await privateKey("p256");
  const certificate = await leaf({ key, notAfter: "20260710120000Z" });
  const json = {
    server: "mail.example.org",
    sender: SENDER,
    private_key: key,
    certificate,
    smime: true,
    ...more,
  };
  expect((await instance.request("POST", "/smtpserver/signing", { json })).status).toBe(200);
  await instance.request("POST", "/smtpserver/plain", { json: { server: "mail.example.org" } });
  return { received, instance, [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose]() };
}

/** Runs the daily work once a day. @returns the day of each event. */
async function days(
  instance: TestInstance,
  received: readonly SealpostEvent[],
  count: number,
): Promise<number[]> {
  const eventDays: number[] = [];
  for (let day = 0; day < count; day++) {
    const before = received.length;
    await instance.services.prune();
    await instance.services.settled();
    eventDays.push(...received.slice(before).map(() => day));
    instance.clock.advance(DAY_SECONDS);
  }
  return eventDays;
}

describe.skipIf(!isInstalled("openssl"))("certificate_expiring", () => {
  test("is emitted daily from the thirtieth day before the expiry, and after it", async () => {
    await using context = await signing();
    const { received, instance } = context;
    const eventDays = await days(instance, received, 41);
    expect(START.toISOString()).toStartWith("2026-06-01T12:00");
    expect(eventDays).toEqual(Array.from({ length: 31 }, (_, at) => at + 10));
    const data = { identifier: "signing", parameter: "certificate", expires: "2026-07-10", daysLeft: 29 };
    expect(received[0]?.data).toEqual(data);
    instance.clock.advance(DAY_SECONDS);
    await days(instance, received, 1);
    expect(received.at(-1)?.data).toMatchObject({ daysLeft: -3 });
  });

  test("is emitted for the first end in the chain, with a log line and an audit row", async () => {
    const { intermediate } = await authorities();
    const key = await privateKey("p256", "renewed");
    const soon = await issue({
      ...{ key, subject: "/CN=Issuer that ends", notAfter: "20260620120000Z" },
      ...{ by: intermediate, extensions: ["basicConstraints=critical,CA:TRUE"] },
    });
    const own = await privateKey("p256");
    const by = { certificate: soon, key };
    const certificate = (await leaf({ key: own, by })) + soon + intermediate.certificate;
    await using context = await signing({ private_key: own, certificate });
    const { received, instance } = context;
    const records: LogRecord[] = [];
    await configure({
      sinks: { kept: (record) => records.push(record) },
      loggers: [
        { category: "sealpost", lowestLevel: "warning", sinks: ["kept"] },
        { category: ["logtape", "meta"], lowestLevel: "error" },
      ],
      reset: true,
    });
    await days(instance, received, 1);
    await reset();
    const data = { identifier: "signing", parameter: "certificate", expires: "2026-06-20", daysLeft: 19 };
    expect(received.map((event) => event.data)).toEqual([data]);
    expect(records.map(({ message }) => message.join(""))).toContain(
      "certificate of signing expires on 2026-06-20",
    );
    const token = await instance.logIn("admin", "correct horse");
    const query = { action: "certificate check" };
    const { value } = await instance.request("GET", "/audit/", { query, token });
    expect(value).toMatchObject({
      count: 1,
      auditdata: [{ success: false, identifier: "signing", info: "certificate expires on 2026-06-20" }],
    });
  });

  test("is emitted once a day for any number of processes", async () => {
    await using context = await signing();
    const { received, instance } = context;
    instance.clock.advance(30 * DAY_SECONDS);
    await Promise.all([instance.services.prune(), instance.services.prune(), instance.services.prune()]);
    await instance.services.prune();
    await instance.services.settled();
    expect(received).toHaveLength(1);
  });

  test("is not emitted for a definition that does not sign", async () => {
    await using context = await signing({ smime: false });
    context.instance.clock.advance(30 * DAY_SECONDS);
    expect(await days(context.instance, context.received, 3)).toEqual([]);
  });

  test("is emitted for each certificate that logs in, whether the definition signs or not", async () => {
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notAfter: "20260705120000Z" });
    await using context = await signing({
      smime: false,
      tls_private_key: key,
      tls_certificate: certificate,
      oauth_private_key: key,
      oauth_certificate: certificate,
    });
    const { received, instance } = context;
    expect(await days(instance, received, 6)).toEqual([5, 5]);
    expect(received.map(({ data }) => data)).toEqual([
      { identifier: "signing", parameter: "tls_certificate", expires: "2026-07-05", daysLeft: 29 },
      { identifier: "signing", parameter: "oauth_certificate", expires: "2026-07-05", daysLeft: 29 },
    ]);
  });

  test("is emitted for other definitions if one cannot be decrypted", async () => {
    await using context = await signing();
    const { received, instance } = context;
    const { database } = instance;
    await instance.request("POST", "/smtpserver/again", {
      json: {
        server: "mail.example.org",
        sender: SENDER,
        private_key: await privateKey("p256"),
        certificate: await leaf({ key: await privateKey("p256"), notAfter: "20260710120000Z" }),
        smime: true,
      },
    });
    await database.write.run(
      "UPDATE smtp_server SET signing_key = 'v1.first.x.y' WHERE identifier = 'again'",
    );
    instance.clock.advance(30 * DAY_SECONDS);
    await days(instance, received, 1);
    expect(received.map(({ data }) => data.identifier)).toEqual(["signing"]);
  });
});
