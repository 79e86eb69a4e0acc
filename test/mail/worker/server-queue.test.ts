import { describe, expect, test } from "bun:test";
import type { LeasedMail } from "../../../src/mail/worker/leased-mail.ts";
import { ServerQueue } from "../../../src/mail/worker/server-queue.ts";

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
