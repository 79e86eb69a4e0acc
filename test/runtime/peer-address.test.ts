import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { openDrivers as openOnBun } from "sealpost/bun";
import { openDrivers as openOnDeno } from "sealpost/deno";
import { openDrivers as openOnNode } from "sealpost/node";

type Open = typeof openOnBun;

/** Returns the peer address that drivers report for a request with these bindings. */
async function peerOf(open: Open, bindings: unknown): Promise<string> {
  const drivers = await open({ databaseUrl: ":memory:" });
  const app = new Hono().get("/", (c) => c.text(String(drivers.peerAddress(c))));
  const response = await app.request("/", {}, bindings as object);
  await drivers.database[Symbol.asyncDispose]();
  return response.text();
}

const SERVER = { requestIP: () => ({ address: "192.0.2.1", family: "IPv4", port: 1 }) };

describe("peerAddress of sealpost/bun", () => {
  test.each([
    ["Bun's server", SERVER, "192.0.2.1"],
    ["Bun's server beside others", { server: SERVER, mine: 1 }, "192.0.2.1"],
    ["a server that does not know it", { requestIP: () => null }, "null"],
    ["something else", { server: "mine" }, "null"],
    ["nothing", undefined, "null"],
  ])("with %s", async (_, bindings, expected) => {
    expect(await peerOf(openOnBun, bindings)).toBe(expected);
  });
});

describe("peerAddress of sealpost/deno", () => {
  test.each([
    [
      "the info of Deno.serve",
      { remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 1 } },
      "192.0.2.1",
    ],
    ["a Unix socket", { remoteAddr: { transport: "unix", path: "/run/app" } }, "null"],
    ["something else", { remoteAddr: 5 }, "null"],
    ["nothing", undefined, "null"],
  ])("with %s", async (_, bindings, expected) => {
    expect(await peerOf(openOnDeno, bindings)).toBe(expected);
  });
});

describe("peerAddress of sealpost/node", () => {
  test.each([
    [
      "the bindings of @hono/node-server",
      { incoming: { socket: { remoteAddress: "192.0.2.1" } } },
      "192.0.2.1",
    ],
    ["a closed socket", { incoming: { socket: { remoteAddress: undefined } } }, "null"],
    ["something else", { incoming: 5 }, "null"],
    ["nothing", undefined, "null"],
  ])("with %s", async (_, bindings, expected) => {
    expect(await peerOf(openOnNode, bindings)).toBe(expected);
  });
});
