import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import net, { type Socket } from "node:net";
import { ConnectError } from "../../src/contracts/transport.ts";
import { NOTHING_SEEN, notSent, type Phase } from "../../src/domain/delivery.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type ConnectOptions, createConnect } from "../../src/transport/connect.ts";
import { makeTransport, never, sendTo, serverAt } from "./support.ts";

const resolvesTo =
  (...addresses: readonly string[]) =>
  async () =>
    addresses.map((address) => ({ address }));

/** Returns the error for a target, as far as a caller can see it. */
async function errorOf(options: Partial<ConnectOptions>, host: string, port = 25): Promise<unknown> {
  const connect = createConnect({ egress: "private", ports: [], ...options });
  const error: unknown = await connect({ host, port, tls: false }, { signal: never }).catch(
    (e: unknown) => e,
  );
  if (!(error instanceof ConnectError)) return error;
  return { phase: error.phase, code: error.code, retryable: error.retryable, message: error.message };
}

/** Number of times that a timer is read until it is that of a probe. */
const MAX_READS = 500;

/** Returns when the kernel probes a connection next, in milliseconds. `null`: its list has no probe (proc(5), tcp). */
async function probeTimerMs(socket: Socket): Promise<number | null> {
  const local = `:${(socket.localPort ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  // Until the bytes in flight are acknowledged, another timer runs.
  for (let reads = 0; reads < MAX_READS; reads++) {
    const rows = readFileSync("/proc/net/tcp", "utf8").split("\n");
    const [, , , , , timer = ""] =
      rows.map((row) => row.trim().split(/\s+/)).find((row) => row[1]?.endsWith(local)) ?? [];
    const [kind, ticks = "0"] = timer.split(":");
    if (kind === "02") return Number.parseInt(ticks, 16) * 10;
    await new Promise(setImmediate);
  }
  return null;
}

/** Whether the kernel lists the timers of probes: those of some sandboxes do not. */
async function listsProbes(): Promise<boolean> {
  if (!existsSync("/proc/net/tcp")) return false;
  await using server = await startSmtpServer();
  const socket = net.connect({ host: "127.0.0.1", port: server.port });
  await once(socket, "connect");
  socket.setKeepAlive(true, 30_000);
  const timerMs = await probeTimerMs(socket);
  socket.destroy();
  return timerMs !== null;
}

const canSeeProbes = await listsProbes();
if (!canSeeProbes) console.warn("Skipped: the timer of TCP probes; the kernel does not list it");

describe("createConnect()", () => {
  test("throws the same error for every target that the policy denies", async () => {
    const denied = { phase: "policy", code: "egress_denied", retryable: false };
    const errors = [
      await errorOf({}, "169.254.169.254"),
      await errorOf({}, "fe80::1"),
      await errorOf({ egress: "public" }, "127.0.0.1"),
      await errorOf({ lookup: resolvesTo("8.8.8.8", "169.254.169.254") }, "rebind.example"),
      await errorOf({ lookup: resolvesTo("::ffff:169.254.169.254") }, "mapped.example"),
      await errorOf({ ports: [587] }, "127.0.0.1"),
    ];
    for (const error of errors) expect(error).toEqual(errors[0]);
    expect(errors[0]).toMatchObject(denied);
  });

  test("the receipt of a denied target has no timing and no reply", async () => {
    const connect = createConnect({ egress: "public", ports: [] });
    await using transport = makeTransport({ connect });
    expect(await sendTo(transport, serverAt(25))).toEqual({
      timingMs: {},
      tls: null,
      roundTrips: 0,
      seen: NOTHING_SEEN,
      successful: false,
      failure: notSent("policy", "egress_denied"),
    });
  });

  test("dials the checked address, and resolves once", async () => {
    await using server = await startSmtpServer();
    let lookups = 0;
    const lookup = async () => [{ address: ++lookups === 1 ? "127.0.0.1" : "169.254.169.254" }];
    const connect = createConnect({ egress: "private", ports: [server.port], lookup });
    const phases: Phase[] = [];
    const target = { host: "mail.example", port: server.port, tls: false };
    const socket = await connect(target, { signal: never, onPhase: (phase) => phases.push(phase) });
    socket.destroy();
    expect(lookups).toBe(1);
    expect(phases).toEqual(["dns", "connect"]);
  });

  test.skipIf(!canSeeProbes)("probes an idle connection within a minute", async () => {
    await using server = await startSmtpServer();
    const connect = createConnect({ egress: "private", ports: [] });
    const socket = await connect({ host: "127.0.0.1", port: server.port, tls: false }, { signal: never });
    expect(await probeTimerMs(socket)).toBeWithin(50_000, 60_001);
    socket.destroy();
  });

  test("dials the next address if one is refused", async () => {
    await using server = await startSmtpServer();
    // Nothing listens on the second loopback address.
    const connect = createConnect({
      egress: "private",
      ports: [],
      lookup: resolvesTo("127.0.0.2", "127.0.0.1"),
    });
    const target = { host: "mail.example", port: server.port, tls: false };
    const socket = await connect(target, { signal: never });
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();
  });

  for (const [code, expected, retryable] of [
    ["ENOTFOUND", "dns_not_found", false],
    ["EAI_AGAIN", "unreachable", true],
    ["ESERVFAIL", "unreachable", true],
    ["ETIMEOUT", "timeout", true],
    ["EWHATEVER", "network", true],
    ["ECONNREFUSED", "unreachable", true],
  ] as const) {
    test(`the resolver's ${code} is ${expected} in phase dns`, async () => {
      const lookup = async () => Promise.reject(Object.assign(new Error("no"), { code }));
      expect(await errorOf({ lookup }, "mail.example")).toMatchObject({
        phase: "dns",
        code: expected,
        retryable,
      });
    });
  }

  test("a name without addresses is dns_not_found", async () => {
    expect(await errorOf({ lookup: resolvesTo() }, "mail.example")).toMatchObject({ code: "dns_not_found" });
  });

  test("a name that cannot exist is dns_not_found by the system's resolver", async () => {
    const error = await errorOf({}, "nowhere.invalid");
    expect(error).toMatchObject({ phase: "dns" });
  });

  test("an aborted signal rejects with its reason", async () => {
    const reason = new Error("Not now");
    const connect = createConnect({ egress: "private", ports: [] });
    const target = { host: "127.0.0.1", port: 9, tls: false };
    const opening = connect(target, { signal: AbortSignal.abort(reason) });
    expect(await opening.catch((error: unknown) => error)).toBe(reason);
  });
});
