import { describe, expect, test } from "bun:test";
import type { Message } from "../../src/domain/message.ts";
import { type HttpServer, type Reaction, startHttpServer } from "../fixtures/http/server.ts";
import { testInstance } from "../fixtures/instance.ts";
import { CLIENT, startTokenServer } from "../fixtures/token-server.ts";
import { apiTransport, graphError } from "../transport/mail-api/support.ts";
import { drainOf, HOUR_SECONDS } from "./fixtures/queue.ts";

const ANN = "ann@example.net";
const BOB = "bob@example.net";
const CAT = "cat@example.net";
const MESSAGE: Message = { to: [ANN, `Bob <${BOB}>`], bcc: [CAT], subject: "Hello", text: "Hello" };
const ACCEPTED: Reaction = { status: 202 };

/** The recipients whom a request to Graph reaches: those that its message names. */
function reached({ requests }: HttpServer): readonly (readonly string[])[] {
  return requests.map(({ body }) => {
    const message = Buffer.from(String(body), "base64").toString();
    const header = message.slice(0, message.indexOf("\r\n\r\n")).replace(/\r\n[ \t]/g, " ");
    const fields = header.split("\r\n").filter((field) => /^(to|cc|bcc):/i.test(field));
    return fields.flatMap((field) => field.match(/[\w.]+@[\w.]+/g) ?? []).toSorted();
  });
}

/** An instance whose definition `graph` sends to the server, and whose definition `smtp` keeps its mail in memory. */
async function graphInstance(server: HttpServer, change: object = {}) {
  const tokens = await startTokenServer();
  const transport = apiTransport();
  const instance = await testInstance({ transport });
  const save = async (name: string, json: object) => {
    const { status, text } = await instance.request("POST", `/smtpserver/${name}`, { json });
    if (status !== 200) throw new Error(text);
  };
  await save("graph", {
    ...{ server: "graph://contoso.example", username: "box@example.org", sender: "box@example.org" },
    ...{ api_url: server.origin, auth: "oauth2", oauth_token_url: tokens.tokenUrl },
    ...{ oauth_client_id: CLIENT.id, oauth_client_secret: CLIENT.secret },
    ...change,
  });
  await save("smtp", { server: "mail.example.org", sender: "me@example.org" });
  const { services } = instance;
  return {
    ...instance,
    transport,
    tokens,
    submit: (message: Message = MESSAGE, servers: string | readonly string[] = "graph") =>
      services.submit(servers, message, { queue: false }),
    async queue(message: Message = MESSAGE, servers: string | readonly string[] = "graph") {
      const result = await services.submit(servers, message, { queue: true, onUnknown: "stop" });
      return result.state === "queued" ? result.mailId : "";
    },
    drain: () => drainOf(services),
    async mail(id: string) {
      const found = await services.mailQueue.get(id);
      return {
        state: found?.mail.state,
        recipients: found?.mail.recipients,
        attempts: found?.attempts ?? [],
      };
    },
    async [Symbol.asyncDispose]() {
      await instance[Symbol.asyncDispose]();
      await tokens[Symbol.asyncDispose]();
    },
  };
}

describe("a message to several recipients through an API that takes them from the message", () => {
  test("is one request while the caller waits", async () => {
    await using server = await startHttpServer(() => ACCEPTED);
    await using instance = await graphInstance(server);
    const result = await instance.submit();
    expect(result).toMatchObject({
      state: "delivered",
      recipients: [{ recipient: ANN }, { recipient: BOB }, { recipient: CAT }],
    });
    expect(reached(server)).toEqual([[ANN, BOB, CAT]]);
    expect(instance.tokens.tokenRequests).toHaveLength(1);
  });

  test.each([1, 5])(
    "is one request from the queue, with an attempt for each recipient, over %d connections",
    async (connections) => {
      await using server = await startHttpServer(() => ACCEPTED);
      await using instance = await graphInstance(server, { max_connections: connections });
      const id = await instance.queue();
      await instance.drain();
      expect(reached(server)).toEqual([[ANN, BOB, CAT]]);
      const mail = await instance.mail(id);
      expect(mail.state).toBe("sent");
      expect(mail.attempts.map(({ recipient, outcome }) => `${recipient} ${outcome}`).toSorted()).toEqual([
        `${ANN} sent`,
        `${BOB} sent`,
        `${CAT} sent`,
      ]);
    },
  );

  test("is one request again after an outage, not before the time that the API names", async () => {
    await using server = await startHttpServer((_, index) =>
      index === 0 ? { status: 503, headers: { "Retry-After": "600" } } : ACCEPTED,
    );
    await using instance = await graphInstance(server);
    const id = await instance.queue();
    await instance.drain();
    instance.clock.advance(599);
    await instance.drain();
    expect(server.requests).toHaveLength(1);
    // A message starts up to a quarter later.
    instance.clock.advance(170);
    await instance.drain();
    expect(reached(server)).toEqual([
      [ANN, BOB, CAT],
      [ANN, BOB, CAT],
    ]);
    expect(await instance.mail(id)).toMatchObject({ state: "sent", recipients: [{ attempts: 2 }, {}, {}] });
  });

  test("is one request a recipient if one of them is invalid", async () => {
    const isInvalid = ({ body }: { readonly body: Buffer }) =>
      Buffer.from(String(body), "base64").toString().includes(BOB);
    await using server = await startHttpServer((request) =>
      isInvalid(request) ? graphError(400, "ErrorInvalidRecipients") : ACCEPTED,
    );
    await using instance = await graphInstance(server);
    const id = await instance.queue();
    await instance.drain();
    expect(reached(server).slice(1).toSorted()).toEqual([[ANN], [BOB], [CAT]]);
    const { recipients } = await instance.mail(id);
    expect(recipients).toMatchObject([{ state: "sent" }, { state: "failed" }, { state: "sent" }]);
  });

  test("after failover reaches only those that no other server has reached", async () => {
    await using server = await startHttpServer(() => ACCEPTED);
    await using instance = await graphInstance(server);
    for (const times of [1, 2]) instance.transport.smtp.fail({ phase: "connect", code: "refused", times });
    // The third recipient is reached by SMTP.
    const result = await instance.submit(undefined, ["smtp", "graph"]);
    expect(result).toMatchObject({ state: "delivered" });
    const bySmtp = instance.transport.smtp.sent.map(({ recipient }) => recipient);
    const byGraph = reached(server).flat();
    expect([...bySmtp, ...byGraph].toSorted()).toEqual([ANN, BOB, CAT]);
    expect(server.requests).toHaveLength(1);
  });

  test("is not sent again after an unknown outcome", async () => {
    await using server = await startHttpServer(() => "hang-up");
    await using instance = await graphInstance(server);
    const id = await instance.queue();
    await instance.drain();
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    expect(server.requests).toHaveLength(1);
    expect(await instance.mail(id)).toMatchObject({
      state: "unknown",
      recipients: [{ state: "unknown" }, { state: "unknown" }, { state: "unknown" }],
    });
  });
});

describe("a definition of a mail API", () => {
  test("gets one fresh token for a rejected one, once", async () => {
    await using server = await startHttpServer(() => graphError(401, "InvalidAuthenticationToken"));
    await using instance = await graphInstance(server);
    const result = await instance.submit();
    expect(result).toMatchObject({ state: "failed", failure: { phase: "auth", code: "auth_rejected" } });
    expect(server.requests).toHaveLength(2);
    expect(instance.tokens.tokenRequests).toHaveLength(2);
    const [first, second] = server.requests.map(({ headers }) => headers.authorization);
    expect(first).not.toBe(second);
  });

  test("is checked no further than its login", async () => {
    await using server = await startHttpServer(() => ({ status: 200, body: '{"id":"1"}' }));
    await using instance = await graphInstance(server);
    const check = (until: string) =>
      instance.request("POST", "/smtpserver/graph/send_test_email", { json: { until, recipient: ANN } });
    expect((await check("auth")).body).toMatchObject({ detail: { delivery: { reached: "auth" } } });
    expect((await check("tls")).body).toMatchObject({ detail: { delivery: { reached: "tls" } } });
    for (const until of ["sender", "recipient"]) {
      expect((await check(until)).body).toMatchObject({ result: { error: { code: 905 } } });
    }
    expect(server.requests.map(({ method }) => method)).toEqual(["GET"]);
  });
});
