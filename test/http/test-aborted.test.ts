import { describe, expect, test } from "bun:test";
import { type Misbehavior, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { makeTransport } from "../transport/support.ts";

/** Calls back at a step of the server, which then waits until it is continued. */
function pause() {
  const [reached, continued] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const how: Misbehavior = (_peer, accept) => {
    reached.resolve();
    void continued.promise.then(accept);
  };
  return { how, reached: reached.promise, resume: continued.resolve };
}

async function start(step: "connect" | "mail" | "body") {
  const { how, reached, resume } = pause();
  const server = await startSmtpServer({ script: { [step]: how } });
  const transport = makeTransport();
  const instance = await testInstance({ transport });
  const definition = { server: `127.0.0.1:${server.port}`, sender: "a@example.org", timeout: 30 };
  await instance.request("POST", "/smtpserver/office", { json: definition });
  const client = new AbortController();
  return {
    ...{ server, instance, reached, resume, definition },
    abort: () => client.abort(),
    test: (path: string, json: object, headers = {}) =>
      instance.request("POST", `/smtpserver/${path}send_test_email`, {
        json: { recipient: "b@example.net", ...json },
        headers,
        signal: client.signal,
      }),
    async [Symbol.asyncDispose]() {
      resume();
      await instance[Symbol.asyncDispose]();
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const lastRow = async (instance: TestInstance) => {
  const { value } = await instance.request("GET", "/audit/");
  return (value as { readonly auditdata: readonly Record<string, unknown>[] }).auditdata[0];
};

describe("a client that hangs up", () => {
  test.each(["stored", "unsaved"])("cancels the test of a %s definition before MAIL", async (kind) => {
    await using run = await start("connect");
    const isStored = kind === "stored";
    const sent = run.test(isStored ? "office/" : "", isStored ? {} : run.definition);
    await run.reached;
    run.abort();
    const { value, detail } = await sent;
    expect(value).toBe(false);
    expect(detail?.delivery).toMatchObject({ code: "cancelled", outcome: "not-sent" });
    expect(await lastRow(run.instance)).toMatchObject({ success: false, outcome: "not-sent" });
  });

  test.each(["stored", "unsaved"])("cancels a check of a %s definition", async (kind) => {
    await using run = await start("mail");
    const json = { until: "sender", ...(kind === "unsaved" && run.definition) };
    const checked = run.test(kind === "stored" ? "office/" : "", json);
    await run.reached;
    run.abort();
    const { value, detail } = await checked;
    expect(value).toBe(false);
    expect(detail?.delivery).toMatchObject({ code: "cancelled" });
  });

  test.each(["mail", "body"] as const)("does not cancel a test that is at %s", async (step) => {
    await using run = await start(step);
    const sent = run.test("office/", {});
    await run.reached;
    run.abort();
    run.resume();
    expect((await sent).value).toBe(true);
    expect(run.server.messages).toHaveLength(1);
  });

  test("does not cancel a test with an Idempotency-Key, whose result it may ask for", async () => {
    await using run = await start("connect");
    const sent = run.test("office/", {}, { "Idempotency-Key": "once" });
    await run.reached;
    run.abort();
    run.resume();
    expect((await sent).value).toBe(true);
  });
});
