import { describe, expect, test } from "bun:test";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnect, interleaveFamilies } from "../../src/transport/connect.ts";
import { silentAddress } from "./fixtures/silent.ts";
import { makeTransport, sendTo, serverAt, timed } from "./support.ts";

const HOST = "mail.example.test";
/** The default of a definition. */
const TIMEOUT_MS = 10_000;
const isLinux = process.platform === "linux";

/** Creates a transport for which the host has these addresses, in this order. */
function transportTo(addresses: readonly string[]) {
  const lookup = async () => addresses.map((address) => ({ address }));
  return makeTransport({ connect: createConnect({ egress: "private", ports: [], lookup }) });
}

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
