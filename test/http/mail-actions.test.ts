import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { PEER, testInstance } from "../fixtures/instance.ts";
import { BUSY, drain, failing, mailRows, NOBODY, outcome, queue, save } from "./mail-support.ts";

describe("POST /mail/<id>/retry", () => {
  test("makes a deferred message due, and is audited", async () => {
    await using parts = await failing();
    const { instance, transport } = parts;
    transport.fail({ phase: "connect", code: "refused", retryable: true });
    const id = await queue(instance);
    await drain(instance);
    instance.clock.advance(0.001);
    await drain(instance);
    expect(transport.sent).toHaveLength(0);
    expect(outcome(await instance.request("POST", `/mail/${id}/retry`))).toEqual([200, true]);
    await drain(instance);
    expect(transport.sent).toHaveLength(1);
    expect(await mailRows(instance)).toMatchObject([
      {
        ...{ action: "POST /mail/<id>/retry", success: true, administrator: "admin", client: PEER },
        ...{ identifier: "office", recipient: "user@example.net", info: id },
      },
    ]);
  });
});

describe("POST /mail/<id>/cancel", () => {
  test("ends a message that is not sent, and is audited", async () => {
    await using instance = await testInstance();
    await save(instance);
    const id = await queue(instance);
    expect(outcome(await instance.request("POST", `/mail/${id}/cancel`))).toEqual([200, true]);
    await drain(instance);
    expect(instance.sent).toEqual([]);
    expect((await instance.request("GET", `/mail/${id}`)).value).toMatchObject({
      ...{ state: "cancelled", next_try: null, recipients: [{ state: "cancelled" }], attempts: [] },
    });
    expect(await mailRows(instance)).toMatchObject([
      { action: "POST /mail/<id>/cancel", success: true, identifier: "office", info: id },
    ]);
  });

  test("does not send to recipients that already have the message", async () => {
    await using parts = await failing();
    const { instance, transport } = parts;
    transport.fail({ phase: "recipient", code: "rate_limited", retryable: true, reply: BUSY });
    const id = await queue(instance, ["one@example.net", "two@example.net"]);
    await drain(instance);
    await instance.request("POST", `/mail/${id}/cancel`);
    expect((await instance.request("GET", `/mail/${id}`)).value).toMatchObject({
      state: "cancelled",
      recipients: [{ state: "cancelled" }, { state: "sent" }],
    });
  });
});

describe.each(["retry", "cancel"])("POST /mail/<id>/%s", (verb) => {
  test("of a message in a final state is 409, names the state, and advises what to do", async () => {
    await using instance = await testInstance();
    await save(instance);
    const id = await queue(instance);
    await drain(instance);
    const { status, error } = await instance.request("POST", `/mail/${id}/${verb}`);
    const message = "This message is final (sent) and its content is erased: submit a new one";
    expect([status, error]).toEqual([409, { code: 409, message }]);
    expect(await mailRows(instance)).toMatchObject([
      { action: `POST /mail/<id>/${verb}`, success: false, identifier: id, info: "conflict" },
    ]);
  });

  test("of a message in delivery is 409 and advises what to do", async () => {
    const startedMs = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const memory = createMemoryTransport();
    const transport = {
      ...memory,
      async send(...args: Parameters<typeof memory.send>) {
        startedMs.resolve();
        await gate.promise;
        return memory.send(...args);
      },
    };
    await using instance = await testInstance({ transport });
    await save(instance);
    const id = await queue(instance);
    const drained = drain(instance);
    await startedMs.promise;
    expect((await instance.request("GET", `/mail/${id}`)).value).toMatchObject({
      state: "sending",
      next_try: null,
    });
    const { status, error } = await instance.request("POST", `/mail/${id}/${verb}`);
    gate.resolve();
    await drained;
    expect([status, error?.code]).toEqual([409, 409]);
    expect(error?.message).toContain("try again in a minute");
    expect(memory.sent).toHaveLength(1);
  });

  test("of an unknown message is 404, of an invalid UUID 905", async () => {
    await using instance = await testInstance();
    const unknown = await instance.request("POST", `/mail/${NOBODY}/${verb}`);
    expect([unknown.status, unknown.error]).toEqual([
      404,
      { code: 601, message: "The requested Mail could not be found." },
    ]);
    expect(outcome(await instance.request("POST", `/mail/x/${verb}`))).toEqual([400, 905]);
    expect(await mailRows(instance)).toMatchObject([
      { success: false, info: "invalid_parameter id" },
      { success: false, identifier: NOBODY, info: "resource_not_found" },
    ]);
  });
});

describe("queued mail", () => {
  const ROUTES: readonly (readonly [right: string, method: string, path: string])[] = [
    ["mail_read", "GET", "/mail/"],
    ["mail_read", "GET", "/mail"],
    ["mail_read", "GET", "/mail/<id>"],
    ["mail_write", "POST", "/mail/<id>/retry"],
    ["mail_write", "POST", "/mail/<id>/cancel"],
  ];
  test.each(ROUTES)("needs exactly the right %s for %s %s", async (right, method, path) => {
    await using instance = await testInstance();
    await save(instance);
    const index = path.replace("<id>", await queue(instance));
    const allow = (action: readonly string[]) =>
      instance.request("POST", "/policy/p", { json: { scope: "admin", action } });
    await allow(["*", `!${right}`]);
    const denied = await instance.request(method, index);
    expect(outcome(denied)).toEqual([403, 303]);
    expect(denied.error?.message).toContain(right);
    expect(outcome(await instance.request(method, index, { token: null }))).toEqual([401, 4033]);
    await allow(["policywrite", right]);
    expect((await instance.request(method, index)).status).toBe(200);
  });

  test.each([
    ["DELETE", "/mail", "POST, GET"],
    ["DELETE", `/mail/${NOBODY}`, "GET"],
    ["POST", `/mail/${NOBODY}`, "GET"],
    ["GET", `/mail/${NOBODY}/retry`, "POST"],
    ["PUT", `/mail/${NOBODY}/cancel`, "POST"],
  ])("returns 405 for %s %s, with the allowed method", async (method, path, allowed) => {
    await using instance = await testInstance();
    const response = await instance.request(method, path);
    expect([...outcome(response), response.headers.get("allow")]).toEqual([405, 405, allowed]);
  });

  test("is served nowhere else", async () => {
    await using instance = await testInstance();
    for (const path of [`/mail/${NOBODY}/`, `/mail/${NOBODY}/resend`, `/mail/${NOBODY}/retry/x`]) {
      expect(outcome(await instance.request("POST", path))).toEqual([404, 404]);
    }
  });

  test("names the admin who submitted it", async () => {
    await using instance = await testInstance();
    const actor = { action: "", administrator: "", realm: "", client: "", policies: "", requestId: "" };
    await instance.services.admins.save(
      { username: "anna", realm: "staff" },
      { password: new Secret("a secret word") },
      actor,
    );
    const token = await instance.logIn("anna@staff", "a secret word");
    const json = { server: "a", sender: "a@example.org", recipient: "b@example.net", enqueue_job: true };
    const { detail } = await instance.request("POST", "/smtpserver/send_test_email", { json, token });
    const { value } = await instance.request("GET", `/mail/${detail?.mail_id}`);
    expect(value).toMatchObject({ submitter: "admin anna@staff", identifier: "" });
  });
});
