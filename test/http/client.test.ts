import { describe, expect, test } from "bun:test";
import { hc } from "hono/client";
import type { SealpostApp } from "../../src/app.ts";
import type { Checkpoint } from "../../src/domain/delivery.ts";
import { ADMIN, PEER, type TestInstance, testInstance } from "../fixtures/instance.ts";

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isSame = <A, B>(_: Same<A, B>) => undefined;

function clientOf({ app, token }: TestInstance) {
  const bindings = { peerAddress: PEER };
  return hc<SealpostApp>("http://sealpost.test", {
    headers: { Authorization: token },
    fetch: (input: string | URL | Request, init?: RequestInit) => app.request(input, init, bindings),
  });
}

describe("hc<SealpostApp>()", () => {
  test("calls the endpoints of definitions, with their types", async () => {
    await using instance = await testInstance();
    const client = clientOf(instance);
    const one = client.smtpserver[":identifier"];

    const json = { server: "mail.example.org", port: 587, sender: "me@example.org", tls: true };
    const saved = await (await one.$post({ param: { identifier: "a" }, json })).json();
    isSame<typeof saved.result.value, boolean>(true);
    expect(saved.result.value).toBe(true);

    const list = await (await client.smtpserver.$get({ query: {} })).json();
    const port = list.result.value.a?.port;
    isSame<typeof port, number | undefined>(true);
    expect(port).toBe(587);

    const test = { server: "mail.example.org", recipient: "user@example.net", sender: "me@example.org" };
    const sent = await (await client.smtpserver.send_test_email.$post({ json: test })).json();
    isSame<typeof sent.result.value, boolean>(true);
    expect([sent.result.value, sent.detail?.delivery?.accepted]).toEqual([true, ["user@example.net"]]);

    const stored = client.smtpserver[":identifier"].send_test_email;
    const param = { identifier: "a" };
    const checked = await (await stored.$post({ param, json: { until: "connect" } })).json();
    const reached = checked.detail?.delivery.reached;
    isSame<typeof reached, Checkpoint | null | undefined>(true);
    expect([checked.result.value, reached]).toEqual([true, "connect"]);

    const gone = await (await one.$delete({ param: { identifier: "a" } })).json();
    isSame<typeof gone.result.value, boolean>(true);
    expect(gone.result.value).toBe(true);
  });

  test("reads and manages queued mail, with its types", async () => {
    await using instance = await testInstance();
    const client = clientOf(instance);
    const json = {
      ...{ server: "mail.example.org", recipient: "user@example.net", sender: "me@example.org" },
      enqueue_job: true,
    };
    const headers = { "Idempotency-Key": "one" };
    const sent = await (await client.smtpserver.send_test_email.$post({ json }, { headers })).json();
    const mailId = sent.detail?.mail_id;
    isSame<typeof mailId, string | undefined>(true);
    const param = { id: mailId ?? "" };

    const list = await (await client.mail.$get({ query: { state: "queued", page_size: "5" } })).json();
    expect(list.result.value.mails.map(({ id }) => id)).toEqual([param.id]);
    const record = await (await client.mail[":id"].$get({ param })).json();
    const outcome = record.result.value.attempts[0]?.outcome;
    isSame<typeof outcome, "sent" | "not-sent" | "unknown" | "lost" | undefined>(true);
    expect(record.result.value.recipients[0]?.address).toBe("user@example.net");

    const retried = await (await client.mail[":id"].retry.$post({ param })).json();
    isSame<typeof retried.result.value, true>(true);
    const cancelled = await (await client.mail[":id"].cancel.$post({ param })).json();
    expect([retried.result.value, cancelled.result.value]).toEqual([true, true]);
  });

  test("reads the health and the limits of a definition", async () => {
    await using instance = await testInstance();
    const one = clientOf(instance).smtpserver[":identifier"];
    const param = { identifier: "a" };
    await one.$post({ param, json: { server: "mail.example.org", max_connections: 3 } });
    const { detail } = await (await one.$get({ param, query: {} })).json();
    const circuit = detail?.health.circuit;
    isSame<typeof circuit, "closed" | "open" | "half-open" | undefined>(true);
    expect([circuit, detail?.limits.max_connections]).toEqual(["closed", 3]);
  });

  test("rejects at compile time what the API would reject", async () => {
    await using instance = await testInstance();
    const client = clientOf(instance);
    const param = { identifier: "a" };
    // @ts-expect-error: server or provider is required.
    const missing = await client.smtpserver[":identifier"].$post({ param, json: { port: 25 } });
    const json = { server: "a", port: "x" };
    // @ts-expect-error: a port is a number here.
    const text = await client.smtpserver[":identifier"].$post({ param, json });
    expect([missing.status, text.status] as number[]).toEqual([400, 400]);
  });

  test("logs in", async () => {
    await using instance = await testInstance();
    const { username, password } = ADMIN;
    const session = await (await clientOf(instance).auth.$post({ json: { username, password } })).json();
    isSame<typeof session.result.value.token, string>(true);
    expect(session.result.value.role).toBe("admin");
  });
});
