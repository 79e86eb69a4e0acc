import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { PEER, START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestAnswer } from "../fixtures/request.ts";

const SUBJECT = "A subject nobody may see";
const CODE = "code 4711-0815";
const PASSWORD = "hunter2";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NOBODY = "00000000-0000-4000-8000-000000000000";
const BUSY = { code: 451, enhanced: "4.3.0", text: "Busy, come back" };

interface Mail {
  readonly id: string;
  readonly state: string;
  readonly identifier: string;
  readonly recipients: readonly { readonly address: string; readonly state: string }[];
}
interface Page {
  readonly mails: readonly Mail[];
  readonly count: number;
  readonly current: number;
  readonly prev: number | null;
  readonly next: number | null;
}

const save = (instance: TestInstance, identifier = "office", json: object = {}) =>
  instance.request("POST", `/smtpserver/${identifier}`, {
    json: {
      server: "mail.example.org",
      sender: "me@example.org",
      username: "u",
      password: PASSWORD,
      enqueue_job: true,
      ...json,
    },
  });

/** Queues a mail; returns its id. */
async function queue(
  { services }: TestInstance,
  to: readonly string[] = ["user@example.net"],
  server: string | readonly string[] = "office",
  options: Parameters<TestInstance["services"]["submit"]>[2] = {},
): Promise<string> {
  const message = { to: to.map((address) => ({ name: "", address })), subject: SUBJECT, text: CODE };
  const result = await services.submit(server, message, { queue: true, ...options });
  if (result.state !== "queued") throw new Error(`The mail is ${result.state}`);
  return result.mailId;
}

const drain = ({ services }: TestInstance) =>
  services.drain({ signal: new AbortController().signal, endsMs: performance.now() + 10_000, mailMs: 100 });

async function page(instance: TestInstance, query: Record<string, string> = {}): Promise<Page> {
  const { status, value, text } = await instance.request("GET", "/mail/", { query });
  if (status !== 200) throw new Error(text);
  return value as Page;
}
const outcome = ({ status, value, error }: TestAnswer) => (error ? [status, error.code] : [status, value]);
const mailRows = async (instance: TestInstance) => {
  const { value } = await instance.request("GET", "/audit/", { query: { action: "*/mail/*" } });
  return (value as { readonly auditdata: readonly Record<string, unknown>[] }).auditdata;
};

/** An instance whose mail servers fail as told, with the definition `office`. */
async function failing() {
  const transport = createMemoryTransport();
  const instance = await testInstance({ transport });
  await save(instance);
  return { instance, transport, [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose]() };
}

describe("GET /mail/", () => {
  test("lists what was queued, the newest first, in pages, with and without the slash", async () => {
    await using instance = await testInstance();
    await save(instance);
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      ids.unshift(await queue(instance, [`user${i}@example.net`]));
      instance.clock.advance(1);
    }
    const all = await page(instance);
    expect(all).toMatchObject({ count: 5, current: 1, prev: null, next: null });
    expect(all.mails.map(({ id }) => id)).toEqual(ids);
    const second = await page(instance, { page: "2", page_size: "2" });
    expect(second).toMatchObject({ count: 5, current: 2, prev: 1, next: 3 });
    expect(second.mails.map(({ id }) => id)).toEqual(ids.slice(2, 4));
    expect(await page(instance, { page: "3", page_size: "2" })).toMatchObject({ prev: 2, next: null });
    expect((await instance.request("GET", "/mail")).value).toEqual(all);
  });

  test("finds by state, definition, recipient and time", async () => {
    await using instance = await testInstance();
    await save(instance);
    await save(instance, "other");
    await queue(instance, ["first@example.net"]);
    await drain(instance);
    instance.clock.advance(1_800);
    await queue(instance, ["second@example.net", "also@example.net"]);
    await queue(instance, ["third@example.net"], "other");
    const found = async (query: Record<string, string>) =>
      (await page(instance, query)).mails.map(({ recipients }) => recipients[0]?.address).toSorted();
    const [first, second, third] = ["first@example.net", "second@example.net", "third@example.net"];
    expect(await found({ state: "sent" })).toEqual([first]);
    expect(await found({ state: "queued" })).toEqual([second, third]);
    expect(await found({ identifier: "other" })).toEqual([third]);
    expect(await found({ identifier: "Other" })).toEqual([]);
    expect(await found({ recipient: "ALSO@example.net" })).toEqual([second]);
    expect(await found({ since: "2026-06-01T12:00:01Z" })).toEqual([second, third]);
    expect(await found({ since: "2026-06-01T14:30:00+02:00" })).toEqual([second, third]);
    expect(await found({ since: "2026-06-01" })).toEqual([first, second, third]);
    expect(await found({ since: "2026-06-02" })).toEqual([]);
    expect(await found({ state: "queued", identifier: "office", recipient: "also@example.net" })).toEqual([
      second,
    ]);
    expect(await found({ state: "", identifier: "", recipient: "", since: "" })).toHaveLength(3);
  });

  test.each([
    ["state", "gone"],
    ["since", "yesterday"],
    ["since", "2026-13-01"],
    ["since", "2026-06-01T12:00:00"],
    ["page", "0"],
    ["page_size", "1001"],
    ["recipient", "x".repeat(256)],
  ])("refuses %s = %s", async (name, value) => {
    await using instance = await testInstance();
    const answer = await instance.request("GET", "/mail/", { query: { [name]: value } });
    expect(outcome(answer)).toEqual([400, 905]);
    expect(answer.error?.message).toStartWith(`ERR905: Invalid parameter: ${name}: expected`);
  });
});

describe("GET /mail/<id>", () => {
  test("shows a mail that waits", async () => {
    await using instance = await testInstance();
    await save(instance);
    const expiresAt = new Date(START.getTime() + 300_000);
    const id = await queue(instance, ["user@example.net"], "office", { purpose: "code", expiresAt });
    expect(id).toMatch(UUID);
    const now = START.toISOString();
    const expected = {
      ...{ id, state: "queued", identifier: "office", alternatives: [], submitter: "host" },
      message_id: expect.stringMatching(/^<[0-9a-f]{32}@example\.org>$/),
      ...{ sender: "me@example.org", purpose: "code", on_unknown: "stop" },
      recipients: [
        { address: "user@example.net", state: "queued", attempts: 0, next_try: now, failure: null },
      ],
      ...{ next_try: now, created_at: now, updated_at: now },
      ...{ expires_at: expiresAt.toISOString(), give_up_at: expiresAt.toISOString() },
    };
    const answer = await instance.request("GET", `/mail/${id}`);
    expect([answer.status, answer.detail]).toEqual([200, undefined]);
    expect(answer.value).toEqual({ ...expected, attempts: [] });
    expect((await page(instance)).mails as readonly unknown[]).toEqual([expected]);
    expect((await instance.request("GET", `/mail/${id.toUpperCase()}`)).value).toEqual(answer.value);
  });

  test("shows each try, what followed, and where every recipient is", async () => {
    await using parts = await failing();
    const { instance, transport } = parts;
    transport.fail({ phase: "recipient", code: "rate_limited", retryable: true, reply: BUSY });
    const id = await queue(instance, ["one@example.net", "two@example.net"]);
    await drain(instance);
    const { value } = await instance.request("GET", `/mail/${id}`);
    const due = (value as { next_try: string }).next_try;
    expect(new Date(due).getTime()).toBeGreaterThan(START.getTime());
    const failure = { phase: "recipient", code: "rate_limited", reply: BUSY };
    expect(value).toMatchObject({ state: "deferred", identifier: "office" });
    expect((value as { recipients: unknown[] }).recipients).toEqual([
      { address: "one@example.net", state: "deferred", attempts: 1, next_try: due, failure },
      { address: "two@example.net", state: "sent", attempts: 1, next_try: null, failure: null },
    ]);
    const tried = { identifier: "office", date: START.toISOString(), timing_ms: {} };
    expect((value as { attempts: unknown[] }).attempts).toEqual([
      { ...tried, recipient: "one@example.net", outcome: "not-sent", decision: "retry", ...failure },
      {
        ...{ ...tried, recipient: "two@example.net", outcome: "sent", decision: "ended" },
        ...{ phase: null, code: null, reply: { code: 250, enhanced: "2.0.0", text: "Kept" } },
      },
    ]);
    instance.clock.now = new Date(due);
    await drain(instance);
    const ended = (await instance.request("GET", `/mail/${id}`)).value;
    expect(ended).toMatchObject({
      ...{ state: "sent", next_try: null, updated_at: due },
      recipients: [{ state: "sent", attempts: 2, next_try: null, failure: null }, { state: "sent" }],
    });
  });

  test("shows that nobody knows whether a code arrived", async () => {
    await using parts = await failing();
    const { instance, transport } = parts;
    transport.fail({ phase: "data", code: "closed", outcome: "unknown" });
    const id = await queue(instance, ["user@example.net"], "office", { purpose: "code" });
    await drain(instance);
    expect((await instance.request("GET", `/mail/${id}`)).value).toMatchObject({
      ...{ state: "unknown", on_unknown: "stop", next_try: null },
      attempts: [{ outcome: "unknown", decision: "ended", phase: "data", code: "closed", reply: null }],
    });
  });

  test("shows all definitions that a mail may go through", async () => {
    await using instance = await testInstance();
    await save(instance);
    await save(instance, "other");
    const id = await queue(instance, ["user@example.net"], ["office", "other"]);
    expect((await instance.request("GET", `/mail/${id}`)).value).toMatchObject({
      identifier: "office",
      alternatives: ["office", "other"],
    });
  });

  test("shows neither body, subject nor secret, and neither does the list", async () => {
    await using parts = await failing();
    const { instance, transport } = parts;
    transport.fail({ phase: "auth", code: "auth_rejected", retryable: true, times: 2 });
    const id = await queue(instance);
    await drain(instance);
    for (const path of ["/mail/", `/mail/${id}`]) {
      const { text } = await instance.request("GET", path);
      for (const secret of [SUBJECT, CODE, btoa(CODE), PASSWORD, "content", "lease"]) {
        expect(text).not.toContain(secret);
      }
    }
  });

  test("of a mail that is not there is 404, of what is no UUID 905", async () => {
    await using instance = await testInstance();
    const unknown = await instance.request("GET", `/mail/${NOBODY}`);
    expect([unknown.status, unknown.error]).toEqual([
      404,
      { code: 601, message: "The requested Mail could not be found." },
    ]);
    for (const id of ["1", "status", `${NOBODY}0`, "%00", "..%2f"]) {
      expect(outcome(await instance.request("GET", `/mail/${id}`))).toEqual([400, 905]);
    }
  });
});

describe("POST /mail/<id>/retry", () => {
  test("makes a mail due that waits for its next try, and is audited", async () => {
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
  test("ends a mail that is not sent, and is audited", async () => {
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

  test("keeps what is sent already", async () => {
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
  test("of a mail that has ended is 409 and says how", async () => {
    await using instance = await testInstance();
    await save(instance);
    const id = await queue(instance);
    await drain(instance);
    const { status, error } = await instance.request("POST", `/mail/${id}/${verb}`);
    expect([status, error]).toEqual([409, { code: 409, message: "This mail has ended: sent" }]);
    expect(await mailRows(instance)).toMatchObject([
      { action: `POST /mail/<id>/${verb}`, success: false, identifier: id, info: "conflict" },
    ]);
  });

  test("of a mail that is being sent is 409 and says what to do", async () => {
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const memory = createMemoryTransport();
    const transport = {
      ...memory,
      async send(...args: Parameters<typeof memory.send>) {
        begun.resolve();
        await gate.promise;
        return memory.send(...args);
      },
    };
    await using instance = await testInstance({ transport });
    await save(instance);
    const id = await queue(instance);
    const drained = drain(instance);
    await begun.promise;
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

  test("of a mail that is not there is 404, of what is no UUID 905", async () => {
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
  test.each(ROUTES)("is opened by %s for %s %s, and by nothing else", async (right, method, path) => {
    await using instance = await testInstance();
    await save(instance);
    const at = path.replace("<id>", await queue(instance));
    const allow = (action: readonly string[]) =>
      instance.request("POST", "/policy/p", { json: { scope: "admin", action } });
    await allow(["*", `!${right}`]);
    const denied = await instance.request(method, at);
    expect(outcome(denied)).toEqual([403, 303]);
    expect(denied.error?.message).toContain(right);
    expect(outcome(await instance.request(method, at, { token: null }))).toEqual([401, 4033]);
    await allow(["policywrite", right]);
    expect((await instance.request(method, at)).status).toBe(200);
  });

  test.each([
    ["POST", "/mail/", "GET"],
    ["DELETE", "/mail", "GET"],
    ["DELETE", `/mail/${NOBODY}`, "GET"],
    ["POST", `/mail/${NOBODY}`, "GET"],
    ["GET", `/mail/${NOBODY}/retry`, "POST"],
    ["PUT", `/mail/${NOBODY}/cancel`, "POST"],
  ])("answers %s %s with 405 and the method that is allowed", async (method, path, allowed) => {
    await using instance = await testInstance();
    const answer = await instance.request(method, path);
    expect([...outcome(answer), answer.headers.get("allow")]).toEqual([405, 405, allowed]);
  });

  test("is served nowhere else", async () => {
    await using instance = await testInstance();
    for (const path of [`/mail/${NOBODY}/`, `/mail/${NOBODY}/resend`, `/mail/${NOBODY}/retry/x`]) {
      expect(outcome(await instance.request("POST", path))).toEqual([404, 404]);
    }
  });

  test("says which admin handed it in", async () => {
    await using instance = await testInstance();
    const actor = { action: "", administrator: "", realm: "", client: "", policies: "", requestId: "" };
    await instance.services.admins.add({ username: "anna", realm: "staff" }, new Secret("secret"), actor);
    const token = await instance.logIn("anna@staff", "secret");
    const json = { server: "a", sender: "a@example.org", recipient: "b@example.net", enqueue_job: true };
    const { detail } = await instance.request("POST", "/smtpserver/send_test_email", { json, token });
    const { value } = await instance.request("GET", `/mail/${detail?.mail_id}`);
    expect(value).toMatchObject({ submitter: "admin anna@staff", identifier: "" });
  });
});
