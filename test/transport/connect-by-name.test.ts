import { describe, expect, test } from "bun:test";
import { ConnectError } from "../../src/contracts/transport.ts";
import type { EgressPolicy } from "../../src/domain/network.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnectByName } from "../../src/transport/connect-by-name.ts";
import { never } from "./support.ts";

async function errorOf(options: Partial<EgressPolicy>, host: string, port: number) {
  const connect = createConnectByName({ egress: "private", ports: [], ...options });
  const error: unknown = await connect({ host, port, tls: false }, { signal: never }).catch(
    (e: unknown) => e,
  );
  return error instanceof ConnectError ? { phase: error.phase, code: error.code } : error;
}

describe("createConnectByName()", () => {
  test("rejects ports and addresses by policy", async () => {
    const denied = { phase: "policy", code: "egress_denied" };
    expect(await errorOf({ ports: [587] }, "127.0.0.1", 465)).toEqual(denied);
    expect(await errorOf({}, "169.254.169.254", 25)).toEqual(denied);
    expect(await errorOf({}, "::ffff:169.254.169.254", 25)).toEqual(denied);
    expect(await errorOf({ egress: "public" }, "127.0.0.1", 587)).toEqual(denied);
    expect(await errorOf({ egress: "public" }, "::1", 587)).toEqual(denied);
  });

  test("opens by name, and the platform resolves it", async () => {
    await using server = await startSmtpServer();
    const connect = createConnectByName({ egress: "public", ports: [server.port] });
    const target = { host: "localhost", port: server.port, tls: false };
    const socket = await connect(target, { signal: never });
    expect(socket.remotePort).toBe(server.port);
    socket.destroy();
    await server.closed();
  });

  test("rejects with the signal's reason", async () => {
    const connect = createConnectByName({ egress: "private", ports: [] });
    const reason = new Error("Not wanted");
    const opening = connect(
      { host: "127.0.0.1", port: 1, tls: false },
      { signal: AbortSignal.abort(reason) },
    );
    expect(await opening.catch((error: unknown) => error)).toBe(reason);
  });
});
