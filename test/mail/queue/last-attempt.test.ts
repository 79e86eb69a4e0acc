import { expect, test } from "bun:test";
import { createMemoryTransport } from "../../../src/transport/memory.ts";
import { ADMIN, START, type TestInstance, testInstance } from "../../fixtures/instance.ts";
import { drain, queue, save } from "../../http/mail-support.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

interface Shown {
  readonly state: string;
  readonly next_try: string | null;
  readonly attempts: readonly { readonly date: string }[];
}

/** Fails every attempt with this reply until the message is final. @returns the state and the times of the attempts. */
async function failUntilFinal(instance: TestInstance, fail: () => void, id: string) {
  const token = await instance.logIn(ADMIN.username, ADMIN.password);
  for (;;) {
    fail();
    await drain(instance);
    const shown = (await instance.request("GET", `/mail/${id}`, { token })).value as Shown;
    const { state, next_try, attempts } = shown;
    if (!["queued", "deferred"].includes(state))
      return { state, times: attempts.map(({ date }) => new Date(date).getTime()) };
    // After the last attempt, the message waits for its end.
    const nextMs = next_try === null ? instance.clock.now.getTime() + 1_000 : Date.parse(next_try);
    instance.clock.now = new Date(nextMs);
  }
}

const REPLIES = [
  ["a temporary failure", "4.3.0 Busy", 0],
  ["a failure that names a delay", "4.3.0 Busy, try again in 50 seconds", 50_000],
  ["a failure that names a delay beyond the end", "4.3.0 Busy, try again in 2 hours", 0],
] as const;

test.each(REPLIES)(
  "a message of one minute that is due in an hour is attempted then, and after %s again shortly before its end",
  async (_, text, delayMs) => {
    const transport = createMemoryTransport();
    await using instance = await testInstance({ transport });
    await save(instance);
    const sendAt = new Date(START.getTime() + HOUR_MS);
    const expiresAt = new Date(sendAt.getTime() + MINUTE_MS);
    const id = await queue(instance, undefined, undefined, { sendAt, expiresAt });
    instance.clock.now = sendAt;
    const reply = { code: 451, enhanced: "4.3.0", text };
    const fail = () => transport.fail({ phase: "recipient", code: "rate_limited", retryable: true, reply });
    const { state, times } = await failUntilFinal(instance, fail, id);
    expect(state).toBe("expired");
    expect(times[0]).toBe(sendAt.getTime());
    expect(times[1]).toBeGreaterThanOrEqual(sendAt.getTime() + delayMs);
    expect(times.at(-1)).toBeGreaterThanOrEqual(expiresAt.getTime() - 3_000);
    expect(times.at(-1)).toBeLessThan(expiresAt.getTime());
  },
);

test("a message that is retried in its last minute is attempted again shortly before its end", async () => {
  const transport = createMemoryTransport();
  await using instance = await testInstance({ transport });
  await save(instance);
  const expiresAt = new Date(START.getTime() + HOUR_MS);
  const id = await queue(instance, undefined, undefined, { expiresAt });
  await instance.request("DELETE", "/smtpserver/office");
  await drain(instance);
  await save(instance);
  instance.clock.now = new Date(expiresAt.getTime() - MINUTE_MS);
  const token = await instance.logIn(ADMIN.username, ADMIN.password);
  expect((await instance.request("POST", `/mail/${id}/retry`, { token })).status).toBe(200);
  const fail = () => transport.fail({ phase: "recipient", code: "rate_limited", retryable: true });
  const { times } = await failUntilFinal(instance, fail, id);
  expect(times[1]).toBe(expiresAt.getTime() - MINUTE_MS);
  expect(times.at(-1)).toBeGreaterThanOrEqual(expiresAt.getTime() - 3_000);
});
