import { describe, expect, test } from "bun:test";
import { Dispatcher, type DispatcherDeps } from "../../../src/mail/worker/dispatcher.ts";
import type { LeasedMail } from "../../../src/mail/worker/leased-mail.ts";
import type { Leases } from "../../../src/mail/worker/leases.ts";
import { MAX_LEASED, ServerQueue } from "../../../src/mail/worker/server-queue.ts";
import type { QueueSummary } from "../../../src/storage/outbox-statements.ts";

describe("room", () => {
  test("is not taken by messages whose outcome is being recorded", () => {
    const queue = new ServerQueue("a", { waitsInTransport: false });
    const { room } = queue;
    queue.leased = room;
    expect({ room: queue.room, wantsMore: queue.wantsMore }).toEqual({ room: 0, wantsMore: false });
    for (let count = 0; count < room / 2; count++) queue.recording.add({} as LeasedMail);
    expect({ room: queue.room, wantsMore: queue.wantsMore }).toEqual({ room: room / 2, wantsMore: true });
  });

  test("grows with the messages that share the time of an attempt in the transport", () => {
    const roomOf = (waitsInTransport: boolean) => new ServerQueue("a", { waitsInTransport }).room;
    expect(roomOf(true)).toBe(3 * roomOf(false));
  });

  test("of a fast server with many connections is bounded, and a full one wants no more", () => {
    const queue = new ServerQueue("a", { waitsInTransport: true });
    queue.connections = 20;
    for (let count = 0; count < 300; count++) queue.finish(3);
    expect(queue.room).toBe(MAX_LEASED);
    queue.leased = MAX_LEASED;
    expect(queue.wantsMore).toBe(false);
  });

  test("of all queues in one poll is bounded, and each has some", () => {
    const callbacks = { onRoom: () => undefined, onDone: () => undefined };
    const deps = { waitsInTransport: true } as DispatcherDeps;
    const dispatcher = new Dispatcher(deps, { size: 0 } as Leases, callbacks);
    const rooms: number[] = [];
    for (let index = 0; index < 100; index++) {
      const planned = rooms.reduce((sum, room) => sum + room, 0);
      rooms.push(dispatcher.roomIn({ queueName: `q${index}`, maxConnections: 5 } as QueueSummary, planned));
    }
    expect(Math.min(...rooms)).toBe(5);
    expect(rooms.reduce((sum, room) => sum + room, 0)).toBeLessThanOrEqual(MAX_LEASED + 5 * 100);
  });
});

describe("next()", () => {
  const mailOf = (onUnknown: "stop" | "repeat") => ({ row: { onUnknown } }) as LeasedMail;

  test.each([
    ["stop", 2],
    ["repeat", 3],
  ] as const)("starts attempts of messages with onUnknown %s: %d for each connection", (onUnknown, each) => {
    const queue = new ServerQueue("a", { waitsInTransport: true });
    queue.connections = 2;
    for (let index = 0; index < 10; index++) queue.waiting.push({ mail: mailOf(onUnknown), index });
    const started: number[] = [];
    for (let next = queue.next(); next !== undefined; next = queue.next()) started.push(next.index);
    expect(started).toEqual([...Array(2 * each).keys()]);
  });
});
