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
});
