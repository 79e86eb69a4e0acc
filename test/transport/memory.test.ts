import { expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import type { ConnectionSettings } from "../../src/domain/smtp-server.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { testTransport } from "../contract/transport.ts";
import { BYTES, sendTo } from "./support.ts";

const server: ConnectionSettings = {
  host: "mail.example",
  port: 25,
  security: "none",
  username: "",
  password: Secret.EMPTY,
  timeoutMs: 1000,
};

testTransport("memory", async () => {
  const transport = createMemoryTransport();
  return {
    transport,
    server,
    arrived: () => transport.sent,
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
});

test("createMemoryTransport() keeps a copy of the bytes", async () => {
  const transport = createMemoryTransport();
  const bytes = BYTES.slice();
  await sendTo(transport, server, { bytes });
  bytes.fill(0);
  expect(transport.sent[0]?.bytes).toEqual(BYTES);
});
