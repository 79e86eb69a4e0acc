import { expect, test } from "bun:test";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { ADMIN, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { drain, queue, save } from "./mail-support.ts";

type Transport = ReturnType<typeof createMemoryTransport>;

const DAY_SECONDS = 24 * 3_600;
const UNKNOWN = { phase: "data", code: "closed", outcome: "unknown" } as const;
const REJECTED = {
  phase: "recipient",
  code: "recipient_rejected",
  retryable: false,
  reply: { code: 550, enhanced: "5.1.1", text: "No such user" },
} as const;

/** What happens to a queued message before an admin looks at it. */
const MESSAGES: readonly (readonly [
  what: string,
  state: string,
  canRetry: boolean,
  happen: (instance: TestInstance, transport: Transport) => Promise<void>,
])[] = [
  ["waits", "queued", true, async () => undefined],
  ["was sent", "sent", false, async (instance) => void (await drain(instance))],
  [
    "waits for its next attempt",
    "deferred",
    true,
    async (instance, transport) => {
      transport.fail({ phase: "connect", code: "refused", retryable: true });
      await drain(instance);
    },
  ],
  [
    "was rejected",
    "failed",
    false,
    async (instance, transport) => {
      transport.fail(REJECTED);
      await drain(instance);
    },
  ],
  ["lost its definition", "failed", true, loseDefinition],
  [
    "lost its definition a day ago",
    "failed",
    false,
    async (instance) => {
      await loseDefinition(instance);
      instance.clock.advance(DAY_SECONDS);
    },
  ],
  [
    "was rejected after an attempt that may have sent it",
    "unknown",
    false,
    async (instance, transport) => {
      transport.fail(UNKNOWN);
      await drain(instance);
      transport.fail(REJECTED);
      instance.clock.advance(1_800);
      await drain(instance);
    },
  ],
  [
    "lost its definition after an attempt that may have sent it",
    "unknown",
    true,
    async (instance, transport) => {
      transport.fail(UNKNOWN);
      await drain(instance);
      await loseDefinition(instance);
    },
  ],
];

async function loseDefinition(instance: TestInstance): Promise<void> {
  await instance.request("DELETE", "/smtpserver/office");
  instance.clock.advance(1_800);
  await drain(instance);
}

test.each(MESSAGES)("a message that %s is %s, and can_retry is %p, as the retry says", async (...row) => {
  const [, state, canRetry, happen] = row;
  const transport = createMemoryTransport();
  await using instance = await testInstance({ transport });
  await save(instance);
  const id = await queue(instance);
  await happen(instance, transport);
  const shown = { id, state, can_retry: canRetry };
  const token = await instance.logIn(ADMIN.username, ADMIN.password);
  expect((await instance.request("GET", `/mail/${id}`, { token })).value).toMatchObject(shown);
  const { status } = await instance.request("POST", `/mail/${id}/retry`, { token });
  expect(status).toBe(canRetry ? 200 : 409);
});
