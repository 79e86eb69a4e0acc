import { describe, expect, test } from "bun:test";
import { START, testInstance } from "../fixtures/instance.ts";
import {
  BUSY,
  CODE,
  drain,
  failing,
  NOBODY,
  outcome,
  PASSWORD,
  page,
  queue,
  SUBJECT,
  save,
} from "./mail-support.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe("GET /mail/", () => {
  test("lists queued messages in pages, newest first, with and without the slash", async () => {
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
  ])("rejects %s = %s", async (name, value) => {
    await using instance = await testInstance();
    const response = await instance.request("GET", "/mail/", { query: { [name]: value } });
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(`ERR905: Invalid parameter: ${name}: expected`);
  });
});

describe("GET /mail/<id>", () => {
  test("shows a waiting message", async () => {
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
      ...{ next_try: now, held: false, created_at: now, updated_at: now },
      ...{ expires_at: expiresAt.toISOString(), give_up_at: expiresAt.toISOString() },
    };
    const response = await instance.request("GET", `/mail/${id}`);
    expect([response.status, response.detail]).toEqual([200, undefined]);
    expect(response.value).toEqual({ ...expected, can_retry: true, attempts: [] });
    expect((await page(instance)).mails as readonly unknown[]).toEqual([expected]);
    expect((await instance.request("GET", `/mail/${id.toUpperCase()}`)).value).toEqual(response.value);
  });

  test("shows each attempt, what happened next, and the state of every recipient", async () => {
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

  test("shows that the outcome of a code is unknown", async () => {
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

  test("shows all definitions that a message may use", async () => {
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

  test("of an unknown message is 404, of an invalid UUID 905", async () => {
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
