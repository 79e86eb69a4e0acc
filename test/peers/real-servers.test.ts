import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Receipt } from "../../src/domain/delivery.ts";
import { Secret } from "../../src/domain/secret.ts";
import { makeTransport, sendTo, serverAt, timed } from "../transport/support.ts";
import { createPeerCertificate, DOMAIN, type Peer, USER } from "./peer.ts";
import { type PeerServer, SERVERS } from "./servers.ts";

/** `bun run proof:servers` asks for it: packages are fetched, and programs of others run as root. */
const IS_WANTED = process.env.PEERS === "1";
const TEST_MS = 120_000;
setDefaultTimeout(TEST_MS);

const HERE = `you@${DOMAIN}`;
const ELSEWHERE = "you@elsewhere.example";
const LONG = new TextEncoder().encode(
  `Subject: Long\r\n\r\n${".A line with a dot in front of it\r\n".repeat(2_500)}the-last-line\r\n`,
);

function shortOf(receipt: Receipt): string {
  return receipt.successful ? "sent" : `${receipt.failure.phase} ${receipt.failure.code}`;
}

for (const server of SERVERS) {
  const obstacle = IS_WANTED ? server.obstacle() : "bun run proof:servers runs it";
  if (IS_WANTED && obstacle !== null) console.warn(`Skipped: ${server.name}; ${obstacle}`);
  describe.skipIf(obstacle !== null)(`through ${server.name}`, () => testServer(server, obstacle !== null));
}

function testServer(server: PeerServer, isSkipped: boolean): void {
  const { name, security, username, roundTrips, bdatLog } = server;
  const certificate = isSkipped ? { key: "", cert: "" } : createPeerCertificate();
  let started: Promise<Peer> | null = null;
  const peer = (): Promise<Peer> => (started ??= server.start({ tls: certificate }));
  afterAll(async () => (await started)?.[Symbol.asyncDispose]());

  /** A transport, and a message after the other through it. */
  async function open(login: { readonly password?: string } | null) {
    const { port } = await peer();
    const transport = makeTransport({ extraCa: [certificate.cert] });
    const credentials =
      login === null || username === null
        ? {}
        : { username, password: new Secret(login.password ?? USER.password) };
    const target = serverAt(port, { host: "localhost", security, timeoutMs: 20_000, ...credentials });
    return {
      send: (
        change: { readonly from?: string; readonly recipient?: string; readonly bytes?: Uint8Array } = {},
      ) => sendTo(transport, target, { recipient: HERE, ...change }),
      [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
    };
  }

  test(`a message takes ${roundTrips.join(" round trips, the next one ")}`, async () => {
    const { until } = await peer();
    {
      await using transport = await open({});
      const receipts = [await transport.send(), await transport.send(), await transport.send()];
      expect(receipts.map(shortOf)).toEqual(["sent", "sent", "sent"]);
      expect(receipts.map((receipt) => receipt.roundTrips)).toEqual([
        roundTrips[0],
        roundTrips[1],
        roundTrips[1],
      ]);
    }
    if (bdatLog !== undefined) await until(bdatLog.pattern, bdatLog.matches(3));
  });

  test("a long message with leading dots arrives whole", async () => {
    await using transport = await open({});
    await transport.send();
    const receipt = await transport.send({ bytes: LONG });
    expect(shortOf(receipt)).toBe("sent");
    expect(receipt.roundTrips).toBe(roundTrips[1] === 1 ? 2 : roundTrips[1]);
    if (name === "OpenSMTPD") return;
    const { log, until } = await peer();
    await until(/(the-last-line)/g, 1);
    if (name === "Exim") expect(log().match(/^\.A line with a dot in front of it\r?$/gm)).toHaveLength(2_500);
  });

  test.skipIf(!server.rejectsRelaying)(
    "a rejected recipient leaves nothing of its sender to the next message",
    async () => {
      const { until, log } = await peer();
      await using transport = await open(null);
      const outcomes: string[] = [];
      for (const round of [1, 2, 3]) {
        outcomes.push(shortOf(await transport.send({ from: `good${round}@example.org` })));
        outcomes.push(
          shortOf(await transport.send({ from: `bad${round}@example.org`, recipient: ELSEWHERE })),
        );
      }
      outcomes.push(shortOf(await transport.send({ from: "good4@example.org" })));
      const rejected = name === "OpenSMTPD" ? "recipient recipient_rejected" : "recipient auth_required";
      expect(outcomes).toEqual(["sent", rejected, "sent", rejected, "sent", rejected, "sent"]);
      await until(DELIVERED[name] ?? /$^/g, 4);
      expect(log()).not.toMatch(/Return-[Pp]ath: <bad|<= bad|from=<bad\d@example\.org>, size/);
    },
  );

  test.skipIf(!server.rejectsRelaying)(
    "many rejected recipients delay no message and leave none unknown",
    async () => {
      await using transport = await open(null);
      await transport.send();
      const { elapsedMs } = await timed(async () => {
        for (let message = 0; message < 15; message++) {
          const receipt = await transport.send({ recipient: ELSEWHERE });
          expect(receipt).toMatchObject({ failure: { phase: "recipient", outcome: "not-sent" } });
        }
      });
      // Postfix and Exim close after ten in a row, and Postfix delays each reply by four seconds before that.
      expect(elapsedMs).toBeLessThan(15_000);
      expect(shortOf(await transport.send())).toBe("sent");
    },
  );

  test.skipIf(username === null)("a wrong password is auth_rejected", async () => {
    await using transport = await open({ password: "wrong" });
    const receipt = await transport.send();
    expect(shortOf(receipt)).toBe("auth auth_rejected");
    expect(receipt).toMatchObject({ failure: { outcome: "not-sent", reply: { code: 535 } } });
  });
}

/** The line in which each server shows the sender of a delivered message. */
const DELIVERED: Readonly<Record<string, RegExp>> = {
  Postfix: /Return-Path: <(good\d)@example\.org>/g,
  Exim: /Return-path: <(good\d)@example\.org>/g,
  OpenSMTPD: /mda delivery .*from=<(good\d)@example\.org> .*stat=Delivered/g,
};
