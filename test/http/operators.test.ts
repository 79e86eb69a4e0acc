import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { testInstance } from "../fixtures/instance.ts";
import { leaf, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { drain, outcome, queue, save } from "./mail-support.ts";

describe("GET /smtpserver/?detail=1", () => {
  test("has the health, limits, certificate and users of each definition", async () => {
    const transport = createMemoryTransport();
    await using instance = await testInstance({ transport, plugins: [directory(), emailToken()] });
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notAfter: "20260620120000Z" });
    await save(instance, "default", { smime: true, private_key: key, certificate, sender: SENDER });
    await save(instance, "other", { mails_per_minute: 7 });
    transport.fail({ phase: "connect", code: "refused" });
    await instance.request("POST", "/smtpserver/other/send_test_email", { json: { until: "connect" } });
    await queue(instance, ["user@example.net"], "other");
    const { detail, value } = await instance.request("GET", "/smtpserver/", { query: { detail: "1" } });
    expect(value).toEqual((await instance.request("GET", "/smtpserver/")).value);
    expect(detail?.servers).toEqual({
      default: {
        health: {
          circuit: "closed",
          failures: 0,
          since: null,
          next_try: null,
          last_failure: null,
          waiting: 0,
        },
        limits: { max_connections: 5, mails_per_minute: 0 },
        provider: "",
        days_left: 19,
        used_by: ["directory", "email-token"],
      },
      other: expect.objectContaining({
        health: expect.objectContaining({
          failures: 1,
          waiting: 1,
          last_failure: expect.objectContaining({ code: "refused" }),
        }),
        limits: { max_connections: 5, mails_per_minute: 7 },
        days_left: null,
        used_by: [],
      }),
    });
  });

  test("shows an API key only the definitions that it is limited to", async () => {
    await using instance = await testInstance();
    await save(instance, "mine");
    await save(instance, "other");
    const json = { name: "shop", rights: ["smtpserver_read"], servers: ["mine"] };
    const { value } = await instance.request("POST", "/apikey/", { json });
    const { key } = value as { readonly key: string };
    const { detail } = await instance.request("GET", "/smtpserver/", { query: { detail: "1" }, token: key });
    expect(Object.keys(detail?.servers ?? {})).toEqual(["mine"]);
  });
});

describe("POST /smtpserver/inspect", () => {
  test("reports what saving reports, and stores nothing", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notAfter: "20260620120000Z" });
    const given = { private_key: key, certificate, sender: SENDER };
    const inspected = await instance.request("POST", "/smtpserver/inspect", { json: given });
    expect(outcome(inspected)).toEqual([200, true]);
    expect(inspected.detail?.smime).toMatchObject({ days_left: 19, addresses: [SENDER] });
    const saved = await instance.request("POST", "/smtpserver/a", {
      json: { ...given, smime: true, server: "mail.example.org" },
    });
    expect(inspected.detail?.warnings).toEqual(saved.detail?.warnings);
    expect(Object.keys((await instance.request("GET", "/smtpserver/")).value as object)).toEqual(["a"]);
  });

  test.each([
    [
      "a key of another certificate",
      async () => ({ certificate: await leaf({ key: await privateKey("rsa") }) }),
      200,
    ],
    ["a text that is no key", async () => ({ private_key: "no key" }), 400],
    ["a secret that is not stored", async () => ({ private_key: "__CENSORED__" }), 400],
  ])("finds %s", async (_, changes, status) => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const json = { private_key: key, certificate: await leaf({ key }), sender: SENDER, ...(await changes()) };
    const response = await instance.request("POST", "/smtpserver/inspect", { json });
    expect(outcome(response)).toEqual(status === 200 ? [200, false] : [400, 905]);
    if (status === 200)
      expect(response.detail?.notices).toContainEqual(expect.objectContaining({ code: "sign_mismatch" }));
  });

  test("leaves other methods to a definition of that name", async () => {
    await using instance = await testInstance();
    expect((await instance.request("GET", "/smtpserver/inspect")).status).toBe(404);
    expect(outcome(await instance.request("DELETE", "/smtpserver/inspect"))).toEqual([200, false]);
    expect((await instance.request("PUT", "/smtpserver/inspect")).status).toBe(405);
    const encoded = await instance.request("POST", "/smtpserver/%69nspect", {
      json: { server: "a.example.org" },
    });
    expect(encoded.status).toBe(400);
  });
});

test("GET /mail/stats counts the last 24 hours, with the time that sent messages took", async () => {
  await using instance = await testInstance({ tokenSeconds: 604_800 });
  await save(instance);
  await save(instance, "other");
  await queue(instance);
  await drain(instance);
  instance.clock.advance(90_000);
  for (const seconds of [1, 3, 10]) {
    await queue(instance);
    instance.clock.advance(seconds);
    await drain(instance);
  }
  await queue(instance, ["user@example.net"], "other");
  const { value } = await instance.request("GET", "/mail/stats");
  expect(value).toEqual({
    since: "2026-06-01T13:00:14.000Z",
    total: 4,
    states: { queued: 1, sent: 3 },
    servers: { office: { sent: 3 }, other: { queued: 1 } },
    hours: { "2026-06-02T13:00:00.000Z": { queued: 1, sent: 3 } },
    waiting: [{ identifier: "other", state: "queued", count: 1, oldest: "2026-06-02T13:00:14.000Z" }],
    held: 0,
    delivery_ms: { p50: 3_000, p95: 10_000 },
  });
});

test("GET /audit/?format=csv quotes cells and defuses formulas", async () => {
  await using instance = await testInstance();
  await save(instance, '=cmd("x")');
  const response = await instance.app.request("/audit/?format=csv&action=POST*", {
    headers: { Authorization: instance.token },
  });
  expect(response.headers.get("content-type")).toStartWith("text/csv");
  expect(response.headers.get("content-disposition")).toBe('attachment; filename="audit.csv"');
  const [head, row, end] = (await response.text()).split("\r\n");
  expect(head).toStartWith("number,date,action,success,administrator,realm,client,identifier");
  expect(row).toContain(`,"'=cmd(""x"")",`);
  expect(end).toBe("");
});
