import { describe, expect, test } from "bun:test";
import type { Transport } from "sealpost/driver";
import { Webhook } from "standardwebhooks";
import { notSent, type Receipt, unknownOutcome } from "../../../src/domain/delivery.ts";
import { auditRows, drain } from "../../fixtures/delivered.ts";
import { type HttpServer, type Reaction, startHttpServer } from "../../fixtures/http/server.ts";
import type { TestInstance } from "../../fixtures/instance.ts";
import { ACCEPTED, failed } from "../../fixtures/receipts.ts";
import { addUser, bind, eventsInstance } from "./fixtures/bindings.ts";

const SECRET = `whsec_${new Uint8Array(32).fill(5).toBase64()}`;
const DAY_SECONDS = 24 * 3_600;

/** Binds `user_add` to a webhook. */
function bindWebhook(
  instance: TestInstance,
  { origin }: Pick<HttpServer, "origin">,
  more: Readonly<Record<string, unknown>> = {},
) {
  return bind(instance, {
    name: "hook",
    action: "webhook",
    "option.subject": undefined,
    "option.body": undefined,
    "option.url": `${origin}/hook?key=hidden`,
    "option.secret": SECRET,
    ...more,
  });
}

/** Starts a receiver with these reactions in order; the last one repeats. */
function startReceiver(...reactions: readonly Reaction[]): Promise<HttpServer> {
  return startHttpServer((_, index) => reactions[index] ?? reactions.at(-1) ?? { status: 204 });
}

interface DeliveryView {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly status: number | null;
  readonly code: string | null;
  readonly next_try: string | null;
}

async function deliveries(instance: TestInstance): Promise<readonly DeliveryView[]> {
  const { value } = await instance.request("GET", "/webhook/");
  return (value as { readonly webhooks: readonly DeliveryView[] }).webhooks;
}

describe("a webhook", () => {
  test("gets who changed where mail goes, and what", async () => {
    await using receiver = await startReceiver({ status: 204 });
    await using instance = await eventsInstance();
    await bindWebhook(instance, receiver, { event: "smtpserver_rerouted" });
    const json = { server: "elsewhere.example.org", sender: "app@example.org" };
    expect((await instance.request("POST", "/smtpserver/default", { json })).status).toBe(200);
    await drain(instance);
    const bodies = receiver.requests.map(({ body }) => JSON.parse(String(body)));
    expect(bodies).toMatchObject([
      {
        type: "smtpserver_rerouted",
        data: {
          identifier: "default",
          change: "server",
          used_by: expect.arrayContaining(["directory"]),
          admin: { username: "admin", realm: "" },
          client: "192.0.2.10",
          request_id: expect.any(String),
        },
      },
    ]);
  });

  test("gets the event, signed as Standard Webhooks does", async () => {
    await using receiver = await startReceiver({ status: 204 });
    await using instance = await eventsInstance();
    expect((await bindWebhook(instance, receiver)).value).toBe(1);
    await addUser(instance);
    await drain(instance);
    const [request, ...others] = receiver.requests;
    expect(others).toEqual([]);
    expect(request).toMatchObject({
      method: "POST",
      path: "/hook?key=hidden",
      headers: { "content-type": "application/json", "user-agent": "Sealpost" },
    });
    const { body = "", headers = {} } = request ?? {};
    const verifier = new Webhook(SECRET);
    // The library compares the time with its own clock, which is not that of the test.
    const { now } = Date;
    Date.now = () => instance.clock.now.getTime();
    try {
      expect(verifier.verify(String(body), headers)).toEqual({
        type: "user_add",
        timestamp: instance.clock.now.toISOString(),
        data: {
          plugin: "directory",
          action: "POST /user/",
          status: 200,
          success: true,
          admin: { username: "admin", realm: "" },
          client: "192.0.2.10",
          request_id: expect.any(String),
          identifier: "ann@default",
          user: "ann",
          realm: "default",
        },
      });
      const forged = { ...headers, "webhook-id": "msg_other" };
      expect(() => verifier.verify(String(body), forged)).toThrow();
    } finally {
      Date.now = now;
    }
    expect(await deliveries(instance)).toMatchObject([
      { id: headers["webhook-id"], binding: 1, name: "hook", event: "user_add", origin: receiver.origin },
    ]);
    expect(await deliveries(instance)).toMatchObject([
      { state: "delivered", attempts: 1, status: 204, code: null, next_try: null },
    ]);
  });

  test("of a slow receiver waits for those of the others where connections are scarce", async () => {
    const order: string[] = [];
    const receive = (name: string, delayMs: number) =>
      Bun.serve({
        port: 0,
        async fetch() {
          order.push(name);
          await Bun.sleep(delayMs);
          return new Response(null, { status: 204 });
        },
      });
    await using slow = receive("slow", 1_100);
    await using quick = receive("quick", 0);
    await using instance = await eventsInstance();
    for (const [name, { url }] of Object.entries({ slow, quick })) await bindWebhook(instance, url, { name });
    for (const username of ["ann", "ben", "cas"]) await addUser(instance, { username });
    await instance.services.settled();
    const { signal } = new AbortController();
    const budget = { signal, endsMs: performance.now() + 30_000, messageTimeoutMs: 1_000 };
    await instance.services.drain({ ...budget, maxConcurrent: 4 });
    expect(order).toEqual(["slow", "quick", "quick", "quick", "slow", "slow"]);
  });

  test("is repeated under one id, first within 30 s, until the receiver accepts it", async () => {
    await using receiver = await startReceiver({ status: 500 }, "hang-up", { status: 200 });
    await using instance = await eventsInstance();
    await bindWebhook(instance, receiver);
    await addUser(instance);
    await drain(instance);
    expect(await deliveries(instance)).toMatchObject([{ state: "queued", attempts: 1, status: 500 }]);
    await drain(instance);
    expect(receiver.requests).toHaveLength(1);
    instance.clock.advance(30);
    await drain(instance);
    expect(await deliveries(instance)).toMatchObject([
      { state: "queued", attempts: 2, status: null, code: "closed" },
    ]);
    instance.clock.advance(30);
    await drain(instance);
    expect(await deliveries(instance)).toMatchObject([{ state: "delivered", attempts: 3, status: 200 }]);
    const ids = receiver.requests.map(({ headers }) => headers["webhook-id"]);
    expect(new Set(ids).size).toBe(1);
    const times = receiver.requests.map(({ headers }) => Number(headers["webhook-timestamp"]));
    expect(new Set(times).size).toBe(3);
    for (const { headers, body } of receiver.requests) {
      const date = new Date(Number(headers["webhook-timestamp"]) * 1_000);
      const signature = new Webhook(SECRET).sign(headers["webhook-id"] ?? "", date, String(body));
      expect(headers["webhook-signature"]).toBe(signature);
    }
  });

  test("fails for good after a day, with one audit row and without its body", async () => {
    await using receiver = await startReceiver({ status: 503 });
    await using instance = await eventsInstance();
    await bindWebhook(instance, receiver);
    await addUser(instance);
    for (let hours = 0; hours < 26; hours++) {
      await drain(instance);
      instance.clock.advance(3_700);
    }
    const rows = await instance.database.read.all("SELECT state, due_at, body FROM events_webhook_delivery");
    expect(rows).toEqual([{ state: "failed", due_at: null, body: "" }]);
    expect(await auditRows(instance, "event user_add")).toMatchObject([
      { success: 0, identifier: "hook", info: "webhook failed: 503" },
    ]);
    instance.clock.advance(8 * DAY_SECONDS);
    await instance.services.prune();
    expect(await instance.database.read.all("SELECT id FROM events_webhook_delivery")).toEqual([]);
  });

  test("ends with 410, waits as Retry-After asks, and follows no redirect", async () => {
    await using other = await startReceiver({ status: 200 });
    await using receiver = await startHttpServer(({ path }) => {
      if (path === "/gone") return { status: 410 };
      if (path === "/busy") return { status: 429, headers: { "Retry-After": "600" } };
      return { status: 307, headers: { Location: `${other.origin}/` } };
    });
    await using instance = await eventsInstance();
    for (const path of ["/gone", "/busy", "/moved"])
      await bindWebhook(instance, receiver, { "option.url": `${receiver.origin}${path}` });
    await addUser(instance);
    await drain(instance);
    const found = await deliveries(instance);
    const inTenMinutes = instance.clock.now.getTime() + 600_000;
    expect(found.find(({ status }) => status === 410)).toMatchObject({ state: "failed", next_try: null });
    const busy = found.find(({ status }) => status === 429);
    expect(busy?.state).toBe("queued");
    expect(Date.parse(busy?.next_try ?? "")).toBe(inTenMinutes);
    expect(found.find(({ status }) => status === 307)).toMatchObject({ state: "queued" });
    expect(other.connections).toBe(0);
  });

  test("counts as delivered by its status, however long the rest of the response is", async () => {
    await using receiver = await startReceiver({ status: 200, body: "x".repeat(200_000) });
    await using instance = await eventsInstance();
    await bindWebhook(instance, receiver);
    await addUser(instance);
    await drain(instance);
    expect(await deliveries(instance)).toMatchObject([{ state: "delivered", status: 200 }]);
  });

  test("ends when its binding is deleted or disabled", async () => {
    await using receiver = await startReceiver({ status: 500 });
    await using instance = await eventsInstance();
    await bindWebhook(instance, receiver);
    await bindWebhook(instance, receiver);
    await addUser(instance);
    await drain(instance);
    await instance.request("DELETE", "/event/1");
    await instance.request("POST", "/event/disable/2");
    instance.clock.advance(60);
    await drain(instance);
    expect(receiver.requests).toHaveLength(2);
    const states = (await deliveries(instance)).map(({ state }) => state);
    expect(states).toEqual(["cancelled", "cancelled"]);
  });

  test("of two processes is sent once", async () => {
    await using receiver = await startReceiver({ status: 200 });
    await using instance = await eventsInstance();
    await using second = await eventsInstance({ database: instance.database });
    await bindWebhook(instance, receiver);
    for (let index = 0; index < 20; index++) await addUser(instance, { username: `u${index}` });
    await Promise.all([drain(instance), drain(second)]);
    await drain(instance);
    const ids = receiver.requests.map(({ headers }) => headers["webhook-id"]);
    expect([ids.length, new Set(ids).size]).toEqual([20, 20]);
  });
});

describe("a webhook hears of mail", () => {
  const RECEIPTS: Readonly<Record<string, Receipt>> = {
    "up.example.org": ACCEPTED,
    "down.example.org": failed(notSent("connect", "refused")),
    "lost.example.org": failed(unknownOutcome("closed")),
  };
  const transport: Transport = {
    name: "three servers",
    send: async ({ server }) => RECEIPTS[server.host] ?? ACCEPTED,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const message = { to: [{ name: "", address: "ann@example.net" }], subject: "Topic", text: "Code 123456" };

  test("that was sent, failed or is unknown, and of a server that is down, while no server works", async () => {
    await using receiver = await startReceiver({ status: 204 });
    await using instance = await eventsInstance({ transport });
    const event = "mail_sent,mail_failed,mail_unknown,circuit_opened";
    await bindWebhook(instance, receiver, { event });
    for (const name of ["up", "down", "lost"]) {
      const json = { server: `${name}.example.org`, sender: "app@example.org" };
      await instance.request("POST", `/smtpserver/${name}`, { json });
      await instance.services.submit(name, message, { purpose: "code" });
    }
    await instance.services.submit("up", message, { queue: true });
    for (let failures = 0; failures < 4; failures++) await instance.services.submit("down", message);
    for (let round = 0; round < 3; round++) await drain(instance);
    const bodies = receiver.requests.map(({ body }) => JSON.parse(String(body)));
    const dataOf = (type: string) => bodies.filter((body) => body.type === type).map(({ data }) => data);
    const common = { submitter: "host", recipients: ["ann@example.net"] };
    expect(dataOf("mail_sent")).toMatchObject([
      {
        ...common,
        identifier: "up",
        purpose: "code",
        state: "sent",
        message_id: expect.stringMatching(/^<.+>$/),
      },
      { ...common, identifier: "up", purpose: "notice", state: "sent", mail_id: expect.any(String) },
    ]);
    expect(dataOf("mail_failed")).toHaveLength(5);
    expect(dataOf("mail_failed")[0]).toMatchObject({
      ...common,
      identifier: "down",
      state: "failed",
      phase: "connect",
      code: "refused",
    });
    expect(dataOf("mail_unknown")).toMatchObject([{ ...common, identifier: "lost", code: "closed" }]);
    expect(dataOf("circuit_opened")).toMatchObject([
      { identifier: "down", phase: "connect", code: "refused" },
    ]);
    expect(receiver.requests.filter(({ body }) => /Topic|123456/.test(String(body)))).toEqual([]);
  });
});

describe("the options of a webhook", () => {
  const url = "https://hooks.example.org/x";
  const given = { action: "webhook", "option.subject": undefined, "option.body": undefined };

  async function shown(instance: TestInstance): Promise<unknown> {
    const { value } = await instance.request("GET", "/event/1");
    return (value as readonly { readonly options: unknown }[])[0]?.options;
  }

  test("hide secret and headers, and keep them while the URL stays", async () => {
    await using instance = await eventsInstance();
    const save = async (more: Readonly<Record<string, unknown>>) => {
      const { status, error } = await bind(instance, { ...given, "option.url": url, ...more });
      return status === 200 ? status : error?.message.replace(/^ERR905: /, "");
    };
    const headers = { Authorization: "Bearer abcdef0123456789" };
    expect(await save({ "option.secret": SECRET, "option.headers": headers })).toBe(200);
    const censored = { url, secret: "__CENSORED__", headers: "__CENSORED__" };
    expect(await shown(instance)).toEqual(censored);
    const again = { id: 1, "option.secret": "__CENSORED__", "option.headers": "__CENSORED__" };
    expect(await save(again)).toBe(200);
    expect(await save({ id: 1 })).toBe(200);
    expect(await shown(instance)).toEqual(censored);
    const rows = JSON.stringify(await instance.database.read.all("SELECT * FROM events_binding"));
    expect([SECRET, "abcdef0123456789"].filter((secret) => rows.includes(secret))).toEqual([]);
    const moved = { id: 1, "option.url": "https://evil.example/x" };
    const required = "required again, because option.url changed";
    expect(await save(moved)).toContain(`option.secret: ${required}`);
    expect(await save({ ...moved, "option.secret": SECRET })).toContain(`option.headers: ${required}`);
    expect(await save({ id: 1, "option.headers": "" })).toBe(200);
    expect(await shown(instance)).toEqual({ ...censored, headers: "" });
    expect(await save({ id: 1, "option.headers": "__CENSORED__" })).toContain(
      "option.headers: no stored value",
    );
    expect(await save({ ...moved, "option.secret": SECRET })).toBe(200);
    expect(await save({ id: 1, "option.url": moved["option.url"], "option.secret": "" })).toContain(
      "Missing parameter: option.secret",
    );
  });

  test("are sent as header fields, which cannot replace those of the webhook", async () => {
    await using receiver = await startReceiver({ status: 204 });
    await using instance = await eventsInstance();
    const headers = JSON.stringify({ "X-Team": "ops one", authorization: "Basic abc=" });
    await bindWebhook(instance, receiver, { "option.headers": headers });
    await addUser(instance);
    await drain(instance);
    expect(receiver.requests[0]?.headers).toMatchObject({ "x-team": "ops one", authorization: "Basic abc=" });
  });

  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{ "option.url": undefined }, "Missing parameter: option.url"],
    [{ "option.secret": undefined }, "Missing parameter: option.secret"],
    [{ "option.secret": "__CENSORED__" }, "option.secret: no stored value"],
    [{ "option.secret": "hidden" }, "option.secret: expected whsec_"],
    [{ "option.secret": "whsec_c2hvcnQ=" }, "option.secret: expected whsec_ and 24 to 64 bytes"],
    [{ "option.url": "http://hooks.example.org/" }, "option.url: expected an https URL"],
    [{ "option.url": "https://user:hidden@hooks.example.org/" }, "option.url"],
    [{ "option.url": "ftp://hooks.example.org/" }, "option.url"],
    [{ "option.url": "hooks" }, "option.url"],
    [{ "option.headers": "hidden" }, "option.headers: expected a JSON object"],
    [{ "option.headers": '["hidden"]' }, "option.headers: expected a JSON object"],
    [{ "option.headers": '{"X-A":"hidden","X-A":"1"}' }, "option.headers: X-A is given more than once"],
    [{ "option.headers": { "X-A": "a\r\nX-B: hidden" } }, "option.headers: expected values of visible ASCII"],
    [{ "option.headers": { "X-A": 5 } }, "option.headers: expected texts as values"],
    [{ "option.headers": { "X A": "hidden" } }, "option.headers: expected names of header fields"],
    [{ "option.headers": { "X-A": "1", "x-a": "2" } }, "option.headers: expected each header field once"],
    ...[
      "Host",
      "connection",
      "TE",
      "Transfer-Encoding",
      "Content-Length",
      "Proxy-Authorization",
      "Webhook-Id",
    ].map((name): [Readonly<Record<string, unknown>>, string] => [
      { "option.headers": { [name]: "hidden" } },
      "option.headers: expected no header field that Sealpost sets itself",
    ]),
    [{ "option.subject": "hidden" }, "option.subject: the action webhook has no such option"],
  ])("reject %j without the value", async (more, message) => {
    await using instance = await eventsInstance();
    const { status, error } = await bind(instance, {
      ...given,
      "option.url": url,
      "option.secret": SECRET,
      ...more,
    });
    expect([status, error?.message]).toEqual([400, expect.stringContaining(message)]);
    expect(error?.message).not.toContain("hidden");
  });
});
