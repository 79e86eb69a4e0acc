import { describe, expect, test } from "bun:test";
import type { Delivery, Transport } from "../../src/contracts/transport.ts";
import type { ConnectionSettings } from "../../src/domain/smtp-server.ts";

/** A transport and the server that receives its messages. */
export interface TransportHarness extends AsyncDisposable {
  readonly transport: Transport;
  readonly server: ConnectionSettings;
  /** The messages that arrived, in order. */
  arrived(): readonly ArrivedMail[];
  /** Makes the server reject every recipient from now on with a 550. Absent if the server cannot do that. */
  readonly rejectRecipients?: () => void;
}

export interface ArrivedMail {
  readonly from: string;
  readonly recipient: string;
  readonly bytes: Uint8Array;
}

const never = new AbortController().signal;
const encoder = new TextEncoder();

/** Tests the promises of every transport driver. Each driver's test starts by calling it. */
export function testTransport(name: string, makeHarness: () => Promise<TransportHarness>): void {
  const delivery = (harness: TransportHarness, change: Partial<Delivery> = {}): Delivery => ({
    server: harness.server,
    poolKey: "contract",
    from: "sender@example.org",
    recipient: "user@example.net",
    bytes: encoder.encode("Subject: Hello\r\n\r\nHello\r\n"),
    ...change,
  });

  describe(`${name} as a transport`, () => {
    for (const [what, text] of BODIES) {
      test(`send() carries ${what} unchanged`, async () => {
        await using harness = await makeHarness();
        const bytes = encoder.encode(text);
        const receipt = await harness.transport.send(delivery(harness, { bytes }), { signal: never });
        expect(receipt).toMatchObject({ successful: true, reply: { code: 250 } });
        const [mail] = harness.arrived();
        expect(mail).toMatchObject({ from: "sender@example.org", recipient: "user@example.net" });
        expect(Buffer.from(mail?.bytes ?? []).equals(bytes)).toBe(true);
      });
    }

    test("send() accepts the null reverse-path", async () => {
      await using harness = await makeHarness();
      const receipt = await harness.transport.send(delivery(harness, { from: "" }), { signal: never });
      expect(receipt.successful).toBe(true);
      expect(harness.arrived()[0]?.from).toBe("");
    });

    for (const [what, change] of MISUSES) {
      test(`send() throws TypeError for ${what} and sends nothing`, async () => {
        await using harness = await makeHarness();
        const sending = harness.transport.send(delivery(harness, change), { signal: never });
        expect(await sending.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
        expect(harness.arrived()).toEqual([]);
      });
    }

    test("send() rejects with the reason of a signal that is already aborted", async () => {
      await using harness = await makeHarness();
      const reason = new Error("No longer wanted");
      const sending = harness.transport.send(delivery(harness), { signal: AbortSignal.abort(reason) });
      expect(await sending.catch((error: unknown) => error)).toBe(reason);
      expect(harness.arrived()).toEqual([]);
    });

    test("send() ignores a signal that is aborted afterwards", async () => {
      await using harness = await makeHarness();
      const controller = new AbortController();
      const receipt = await harness.transport.send(delivery(harness), { signal: controller.signal });
      controller.abort();
      expect(receipt.successful).toBe(true);
    });

    test("send() gives each of many concurrent messages its own receipt and recipient", async () => {
      await using harness = await makeHarness();
      const recipients = Array.from({ length: 25 }, (_, index) => `user${index}@example.net`);
      const sendings = recipients.map((recipient) =>
        harness.transport.send(delivery(harness, { recipient }), { signal: never }),
      );
      const receipts = await Promise.all(sendings);
      expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
      const arrived = harness.arrived().map(({ recipient }) => recipient);
      expect(arrived.toSorted()).toEqual(recipients.toSorted());
    });

    test("send() reports a rejected recipient in the receipt, and continues to work", async () => {
      await using harness = await makeHarness();
      if (harness.rejectRecipients === undefined) return;
      harness.rejectRecipients();
      const failure = {
        phase: "recipient",
        code: "recipient_rejected",
        outcome: "not-sent",
        retryable: false,
      };
      for (const poolKey of ["contract", "contract", null]) {
        const receipt = await harness.transport.send(delivery(harness, { poolKey }), { signal: never });
        expect(receipt).toMatchObject({ successful: false, failure: { ...failure, reply: { code: 550 } } });
      }
      expect(harness.arrived()).toEqual([]);
    });

    test("send() fails once the transport is disposed of", async () => {
      await using harness = await makeHarness();
      await harness.transport.send(delivery(harness), { signal: never });
      await harness.transport[Symbol.asyncDispose]();
      const sending = harness.transport.send(delivery(harness), { signal: never });
      expect(await sending.catch((error: unknown) => error)).toBeInstanceOf(Error);
      expect(harness.arrived()).toHaveLength(1);
    });

    test("dispose waits for the delivery in flight and may be called twice", async () => {
      await using harness = await makeHarness();
      const sending = harness.transport.send(delivery(harness), { signal: never });
      await harness.transport[Symbol.asyncDispose]();
      expect((await sending).successful).toBe(true);
      await harness.transport[Symbol.asyncDispose]();
    });
  });
}

const BODIES: readonly (readonly [string, string])[] = [
  ["a short message", "Subject: Hello\r\n\r\nHello\r\n"],
  ["an empty line", "\r\n"],
  ["dots at line starts", ".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n"],
  ["octets above 127", "Subject: Hello\r\n\r\nGrüße ✓\r\n"],
  ["lines of 998 octets", `${"x".repeat(998)}\r\n.${"y".repeat(997)}\r\n`],
  ["a body of a megabyte", `Subject: Long\r\n\r\n${`.${"z".repeat(75)}\r\n`.repeat(13_000)}`],
  ["lines that look like commands", "QUIT\r\n354\r\n.\r\nMAIL FROM:<a@example.org>\r\n"],
];

const PATHS = [
  "a\r\nRCPT TO:<b@x.org>",
  "a\n@x.org",
  "a\0@x.org",
  "<a@x.org>",
  "a@x.org>",
  "a b@x.org",
  "a@x.org\u2028",
];

const MISUSES: readonly (readonly [string, Partial<Delivery>])[] = [
  ...PATHS.map((from) => [`from ${JSON.stringify(from)}`, { from }] as const),
  ...[...PATHS, ""].map((recipient) => [`recipient ${JSON.stringify(recipient)}`, { recipient }] as const),
  ...[
    "a\nb\r\n",
    "a\rb\r\n",
    "a\r\r\n",
    "\n",
    "a\0\r\n",
    "no end",
    "no end\r",
    "",
    `${"x".repeat(999)}\r\n`,
  ].map((text) => [`bytes ${JSON.stringify(text.slice(0, 12))}`, { bytes: encoder.encode(text) }] as const),
];
