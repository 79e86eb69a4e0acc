import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createAbortableConnect } from "../../src/async/abort.ts";
import type { Receipt } from "../../src/domain/delivery.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnect, interleaveFamilies } from "../../src/transport/connect.ts";
import { silentAddress } from "./fixtures/silent.ts";
import { makeTransport, sendTo, serverAt, timed } from "./support.ts";

/** Upper bound on a busy machine. */
setDefaultTimeout(30_000);

const HOST = "mail.example.test";
/** The default of a definition. */
const TIMEOUT_MS = 10_000;
const isLinux = process.platform === "linux";

/** Creates a transport for which the host has these addresses, in this order. */
function transportTo(addresses: readonly string[], ca: readonly string[] = []) {
  const lookup = async () => addresses.map((address) => ({ address }));
  return makeTransport({ connect: createConnect({ egress: "private", ports: [], lookup, ca }) });
}

/** The addresses that a delivery dialed, in order. */
const dialedBy = ({ seen }: Receipt) => seen.addresses?.map(({ address, result }) => `${address} ${result}`);

describe.skipIf(!isLinux)("a server with several addresses", () => {
  for (const [silent, boundMs] of [
    [2, 2_500],
    [5, 4_500],
  ] as const) {
    test(`is reached within ${boundMs} ms behind ${silent} silent ones`, async () => {
      await using server = await startSmtpServer();
      const dead = Array.from({ length: silent }, (_, index) => `127.0.3.${index + 1}`);
      using listeners = new DisposableStack();
      for (const address of dead) listeners.use(await silentAddress(address, server.port));
      await using transport = transportTo([...dead, "127.0.0.1"]);
      const target = serverAt(server.port, { host: HOST, timeoutMs: TIMEOUT_MS });
      const { result, elapsedMs } = await timed(() => sendTo(transport, target));
      expect(result.successful).toBe(true);
      expect(elapsedMs).toBeLessThan(boundMs);
      const dialed = result.seen.addresses?.map(({ address, result: how }) => [address, how]);
      expect(dialed).toContainEqual(["127.0.0.1", "connected"]);
      // The next connection starts with the address that connected.
      const again = await timed(() => sendTo(transport, target, { poolKey: "another" }));
      expect(again.result.seen.addresses).toMatchObject([{ address: "127.0.0.1" }]);
    });
  }

  for (const [what, how] of [
    ["greets with 421", mis.replyAndClose("421 4.3.2 Too busy")],
    ["accepts and hangs up", mis.close()],
    ["accepts and never greets", mis.stall()],
  ] as const) {
    test(`is reached through the next address if the first ${what}`, async () => {
      await using bad = await startSmtpServer({ host: "127.0.3.9", script: { greeting: how } });
      await using good = await startSmtpServer({ host: "127.0.0.1", port: bad.port });
      await using transport = transportTo(["127.0.3.9", "127.0.0.1"]);
      const target = serverAt(bad.port, { host: HOST, timeoutMs: 4_000 });
      const { result, elapsedMs } = await timed(() => sendTo(transport, target));
      expect(result.successful).toBe(true);
      expect(elapsedMs).toBeLessThan(3_000);
      expect(good.messages).toHaveLength(1);
    });
  }

  test("is dialed first after another one greeted with 421, also where connections can be aborted", async () => {
    const script = { greeting: mis.replyAndClose("421 4.3.2 Too busy") };
    await using bad = await startSmtpServer({ host: "127.0.3.9", script });
    await using _good = await startSmtpServer({ host: "127.0.0.1", port: bad.port });
    const lookup = async () => ["127.0.3.9", "127.0.0.1"].map((address) => ({ address }));
    const { connect } = createAbortableConnect(createConnect({ egress: "private", ports: [], lookup }));
    await using transport = makeTransport({ connect });
    for (const poolKey of ["a", "b", "c"]) {
      expect((await sendTo(transport, serverAt(bad.port, { host: HOST }), { poolKey })).successful).toBe(
        true,
      );
    }
    expect(bad.connections).toHaveLength(1);
  });

  test("fails with the last reply if every address greets with 421", async () => {
    const script = { greeting: mis.replyAndClose("421 4.3.2 Too busy") };
    await using one = await startSmtpServer({ host: "127.0.3.9", script });
    await using two = await startSmtpServer({ host: "127.0.0.1", port: one.port, script });
    await using transport = transportTo(["127.0.3.9", "127.0.0.1"]);
    const receipt = await sendTo(transport, serverAt(one.port, { host: HOST }));
    expect(receipt).toMatchObject({
      failure: { phase: "greeting", code: "rate_limited", reply: { code: 421 } },
    });
    expect(two.connections).toHaveLength(1);
  });
});

/** Nothing listens on it. */
const DEAD = "127.0.3.8";
const BUSY = "421 4.7.0 Too busy, try again in 10 minutes";

describe.skipIf(!isLinux)("a server of which one address is refused", () => {
  for (const [what, greeting, failure] of [
    ["greets with 421", mis.replyAndClose(BUSY), { code: "rate_limited", reply: { code: 421 } }],
    ["greets with 554", mis.replyAndClose("554 No"), { code: "refused", reply: { code: 554 } }],
    ["accepts and hangs up", mis.close(), { code: "closed", reply: null }],
    ["accepts and never greets", mis.stall(), { code: "timeout", reply: null }],
  ] as const) {
    for (const order of [
      [DEAD, "127.0.0.1"],
      ["127.0.0.1", DEAD],
    ]) {
      test(`reports the other one, which ${what}: ${order.join(", ")}`, async () => {
        await using server = await startSmtpServer({ script: { greeting } });
        await using transport = transportTo(order);
        const target = serverAt(server.port, { host: HOST, timeoutMs: 1_000 });
        for (const attempt of [1, 2]) {
          const receipt = await sendTo(transport, target);
          expect(receipt).toMatchObject({ failure: { phase: "greeting", outcome: "not-sent", ...failure } });
          const dialed = dialedBy(receipt) ?? [];
          expect(dialed).toEqual([...new Set(dialed)]);
          expect(server.connections).toHaveLength(attempt);
        }
      });
    }
  }

  test("leaves the whole timeout to the other one", async () => {
    await using server = await startSmtpServer({ script: { greeting: mis.delay(2_800) } });
    await using transport = transportTo([DEAD, "127.0.0.1"]);
    const target = serverAt(server.port, { host: HOST, timeoutMs: 4_000 });
    for (const poolKey of ["one", "two"]) {
      expect(await sendTo(transport, target, { poolKey })).toMatchObject({ successful: true });
    }
  });

  test("is reached through that one in the next attempt after the other stops greeting", async () => {
    let isSilent = false;
    const greeting: mis.Misbehavior = (peer, proceed) => (isSilent ? peer.deafen() : proceed());
    await using one = await startSmtpServer({ script: { greeting } });
    await using transport = transportTo(["127.0.0.1", DEAD]);
    const target = serverAt(one.port, { host: HOST, timeoutMs: 1_000 });
    const send = (poolKey: string) => sendTo(transport, target, { poolKey });
    isSilent = true;
    expect(await send("one")).toMatchObject({ failure: { phase: "greeting", code: "timeout" } });
    isSilent = false;
    expect(await send("two")).toMatchObject({ successful: true });
    await using two = await startSmtpServer({ host: DEAD, port: one.port });
    isSilent = true;
    expect(await send("three")).toMatchObject({ failure: { phase: "greeting", code: "timeout" } });
    expect(await send("four")).toMatchObject({ successful: true });
    expect(two.messages).toHaveLength(1);
  });
});

describe.skipIf(!isLinux)("a server of which one address accepts and is silent", () => {
  for (const timeoutMs of [1_000, 2_000, 2_500]) {
    test(`is reached through the next one with a timeout of ${timeoutMs} ms`, async () => {
      await using silent = await startSmtpServer({ host: "127.0.3.9", script: { greeting: mis.stall() } });
      await using good = await startSmtpServer({ port: silent.port });
      await using transport = transportTo(["127.0.3.9", "127.0.0.1"]);
      const target = serverAt(good.port, { host: HOST, timeoutMs });
      const { result, elapsedMs } = await timed(() => sendTo(transport, target));
      expect(result).toMatchObject({ successful: true });
      expect(elapsedMs).toBeLessThan(2 * timeoutMs);
      // The next one starts with the address that greeted.
      expect(dialedBy(await sendTo(transport, target, { poolKey: "two" }))).toEqual(["127.0.0.1 connected"]);
      expect(silent.connections).toHaveLength(1);
    });
  }

  test("is reached by several messages at the same time", async () => {
    await using silent = await startSmtpServer({ host: "127.0.3.9", script: { greeting: mis.stall() } });
    await using good = await startSmtpServer({ port: silent.port });
    await using transport = transportTo(["127.0.3.9", "127.0.0.1"]);
    const target = serverAt(good.port, { host: HOST, timeoutMs: 3_000 });
    const receipts = await Promise.all([1, 2, 3].map(() => sendTo(transport, target)));
    expect(receipts.map(({ successful }) => successful)).toEqual([true, true, true]);
    expect(good.messages).toHaveLength(3);
  });

  test("reports the reply of another one, whichever is dialed last", async () => {
    const busy = mis.replyAndClose(BUSY);
    await using one = await startSmtpServer({ host: "127.0.3.9", script: { greeting: busy } });
    await using _two = await startSmtpServer({ port: one.port, script: { greeting: mis.stall() } });
    for (const order of [
      ["127.0.3.9", "127.0.0.1"],
      ["127.0.0.1", "127.0.3.9"],
    ]) {
      await using transport = transportTo(order);
      const receipt = await sendTo(transport, serverAt(one.port, { host: HOST, timeoutMs: 1_000 }));
      expect(receipt).toMatchObject({ failure: { code: "rate_limited", reply: { code: 421 } } });
      expect(dialedBy(receipt)).toEqual(order.map((address) => `${address} connected`));
    }
  });
});

describe.skipIf(!isLinux)("a server with TLS from the first byte", () => {
  for (const [what, script] of [
    ["accepts and is silent", { connect: mis.stall() }],
    ["accepts and hangs up", { connect: mis.close() }],
    ["is silent in the handshake", { handshake: mis.stall() }],
    ["hangs up in the handshake", { handshake: mis.close() }],
    ["never greets", { greeting: mis.stall() }],
    ["greets with 421", { greeting: mis.replyAndClose(BUSY) }],
  ] as const) {
    test(`is reached through the next address if the first ${what}`, async () => {
      await using bad = await startSmtpServer({ security: "implicit", host: "127.0.3.9", script });
      await using good = await startSmtpServer({ security: "implicit", port: bad.port });
      await using transport = transportTo(["127.0.3.9", "127.0.0.1"], [good.ca ?? ""]);
      const target = serverAt(bad.port, { host: "localhost", security: "implicit", timeoutMs: 4_000 });
      expect(await sendTo(transport, target)).toMatchObject({ successful: true });
      const again = await sendTo(transport, target, { poolKey: "another" });
      expect(dialedBy(again)).toEqual(["127.0.0.1 connected"]);
      expect(good.messages).toHaveLength(2);
    });
  }

  test("reports a certificate that is not valid, without dialing the next address", async () => {
    await using bad = await startSmtpServer({ security: "implicit", host: "127.0.3.9", tls: "wrongName" });
    await using good = await startSmtpServer({ security: "implicit", port: bad.port });
    await using transport = transportTo(["127.0.3.9", "127.0.0.1"], [good.ca ?? ""]);
    const receipt = await sendTo(transport, serverAt(bad.port, { host: "localhost", security: "implicit" }));
    expect(receipt).toMatchObject({ failure: { phase: "certificate", code: "cert_name" } });
    expect(good.connections).toHaveLength(0);
  });

  test("reports a certificate that is not valid after an address without a handshake", async () => {
    const script = { connect: mis.close() };
    await using one = await startSmtpServer({ security: "implicit", host: "127.0.3.9", script });
    await using two = await startSmtpServer({ security: "implicit", port: one.port, tls: "wrongName" });
    await using transport = transportTo(["127.0.3.9", "127.0.0.1"], [two.ca ?? ""]);
    const receipt = await sendTo(transport, serverAt(one.port, { host: "localhost", security: "implicit" }));
    expect(receipt).toMatchObject({ failure: { phase: "certificate", code: "cert_name" } });
  });

  test("reports the handshake if the next address is refused", async () => {
    const script = { handshake: mis.stall() };
    await using server = await startSmtpServer({ security: "implicit", script });
    await using transport = transportTo(["127.0.0.1", DEAD]);
    const settings = { host: "localhost", security: "implicit", timeoutMs: 1_000 } as const;
    const receipt = await sendTo(transport, serverAt(server.port, settings));
    expect(receipt).toMatchObject({ failure: { phase: "connect", code: "timeout" } });
    expect(dialedBy(receipt)).toEqual(["127.0.0.1 connected", `${DEAD} refused`]);
  });
});

test("address families alternate, starting with the resolver's first", () => {
  expect(interleaveFamilies(["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"])).toEqual([
    "::1",
    "10.0.0.1",
    "::2",
    "10.0.0.2",
    "::3",
  ]);
  expect(interleaveFamilies(["10.0.0.1", "::1"])).toEqual(["10.0.0.1", "::1"]);
  expect(interleaveFamilies([])).toEqual([]);
});
