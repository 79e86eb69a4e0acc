import { describe, expect, test } from "bun:test";
import type { SmtpTestServerOptions } from "../../src/testing/smtp/index.ts";
import { CHUNKING, createFlightSubject } from "./fixtures/flight.ts";

const longBody = (octets: number): Uint8Array =>
  new TextEncoder().encode(
    `${"A line of a long message\r\n".repeat(octets / 26 + 1).slice(0, octets - 2)}\r\n`,
  );

describe("a message through a warm connection", () => {
  for (const [what, options, change, bytes, flights, via] of [
    ["takes one round trip with CHUNKING under STARTTLS", {}, {}, undefined, 1, "BDAT"],
    [
      "takes one round trip with CHUNKING under implicit TLS",
      { security: "implicit" },
      {},
      undefined,
      1,
      "BDAT",
    ],
    ["of 64 KiB less one octet takes one", {}, {}, 65_535, 1, "BDAT"],
    ["of 64 KiB takes two", {}, {}, 65_536, 2, "DATA"],
    ["takes two without CHUNKING", { extensions: ["PIPELINING"] }, {}, undefined, 2, "DATA"],
    ["takes two in clear text", { security: "none" }, {}, undefined, 2, "DATA"],
    ["takes four without PIPELINING", { extensions: ["CHUNKING"] }, {}, undefined, 4, "DATA"],
    ["takes four with pipelining off", {}, { pipelining: "off" }, undefined, 4, "DATA"],
  ] as const) {
    test(what, async () => {
      await using subject = await createFlightSubject(options as SmtpTestServerOptions);
      const { server, send } = subject;
      const body = bytes === undefined ? undefined : longBody(bytes);
      for (let message = 0; message < 3; message++) {
        const receipt = await send({ bytes: body, ...change });
        expect(receipt.successful).toBe(true);
        if (message > 0) expect(receipt.roundTrips).toBe(flights);
      }
      expect(server.messages.map((message) => [message.flights, message.via])).toEqual(
        Array.from({ length: 3 }, () => [flights, via]),
      );
      expect(server.connections).toHaveLength(1);
    });
  }

  test("takes one after 9.9 seconds of silence, and two by DATA after ten", async () => {
    await using subject = await createFlightSubject();
    const { server, clock, send } = subject;
    await send();
    clock.advance(9_900);
    expect((await send()).roundTrips).toBe(1);
    clock.advance(10_000);
    expect((await send()).roundTrips).toBe(2);
    expect((await send()).roundTrips).toBe(1);
    expect(server.messages.map(({ via }) => via)).toEqual(["BDAT", "BDAT", "DATA", "BDAT"]);
    expect(server.connections).toHaveLength(1);
  });
});

describe("a message through a new connection", () => {
  for (const [security, extensions, trips] of [
    ["starttls", CHUNKING, 8],
    ["implicit", CHUNKING, 6],
    ["starttls", ["PIPELINING"], 9],
    ["implicit", ["PIPELINING"], 7],
  ] as const) {
    test(`and a login takes ${trips} round trips with ${security} and ${extensions.join(", ")}`, async () => {
      await using subject = await createFlightSubject({ security, extensions });
      const receipt = await subject.send();
      expect(receipt.roundTrips).toBe(trips);
      expect(subject.server.messages).toMatchObject([{ isTls: true, isAuthenticated: true }]);
      // No burst of commands precedes the waits for TCP, the greeting and TLS.
      expect(subject.server.connections[0]?.flights).toBe(trips - 3);
    });
  }
});
