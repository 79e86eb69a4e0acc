import assert from "node:assert/strict";
import process from "node:process";
import {
  close,
  hangUp,
  reply,
  startSmtpServer,
  testCertificates,
  times,
} from "../../../src/testing/smtp/index.ts";
import { RawClient } from "./client.ts";

// runtimes.test.ts runs this on each runtime, because sockets and TLS differ.

const MESSAGE = "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\nBDAT 7 LAST\r\nHello\r\n";
const extensions = ["PIPELINING", "CHUNKING"];

for (const security of ["none", "starttls", "implicit"] as const) {
  const script = { body: times(1, reply("451 Later")) };
  const server = await startSmtpServer({ security, extensions, script, holdMs: 5 });
  const client = await RawClient.connect(server);
  const startTls = () => client.startTls({ ca: server.ca ?? "", servername: "localhost" });
  if (security === "implicit") await startTls();
  assert.match(await client.read(), /^220 /);
  if (security === "starttls") {
    assert.match(await client.ask("STARTTLS"), /^220 /);
    await startTls();
  }
  assert.match(await client.ask("EHLO client.test"), /CHUNKING/);
  assert.match((await client.flight(MESSAGE, 3)).at(-1) ?? "", /^451 /);
  assert.match((await client.flight(MESSAGE, 3)).at(-1) ?? "", /^250 /);
  assert.deepEqual(
    server.messages.map(({ flights, via, isTls }) => [flights, via, isTls]),
    [[1, "BDAT", security !== "none"]],
  );
  assert.equal(server.unaccepted.length, 1);
  assert.match(await client.ask("QUIT"), /^221 /);
  assert.equal(await client.readAll(), "");
  client[Symbol.dispose]();
  await server.closed();
  await server[Symbol.asyncDispose]();
}

for (const misbehavior of [close(), hangUp()]) {
  const server = await startSmtpServer({ script: { mail: misbehavior } });
  const client = await RawClient.greet(server);
  assert.equal(await client.ask("MAIL FROM:<a@client.test>"), "");
  client[Symbol.dispose]();
  await server.closed();
  await server[Symbol.asyncDispose]();
}

for (const security of ["starttls", "implicit"] as const) {
  for (const tls of ["wrongName", "expired", "untrusted"] as const) {
    const server = await startSmtpServer({ security, tls });
    const client = await RawClient.connect(server);
    if (security === "starttls") await client.ask("STARTTLS");
    await assert.rejects(client.startTls({ ca: server.ca ?? "", servername: "localhost" }));
    client[Symbol.dispose]();
    await server.closed();
    await server[Symbol.asyncDispose]();
  }
}

const { ca, client: pair, untrustedClient } = await testCertificates();
for (const [identity, clientName] of [
  [pair, "client.test"],
  [untrustedClient, null],
  [{}, null],
] as const) {
  const server = await startSmtpServer({ security: "implicit", clientCa: ca });
  const client = await RawClient.connect(server);
  await client.startTls({ ca, servername: "localhost", ...identity });
  assert.match(await client.read(), clientName === null ? /^$/ : /^220 /);
  assert.equal(server.connections[0]?.clientName, clientName);
  client[Symbol.dispose]();
  await server.closed();
  await server[Symbol.asyncDispose]();
}

// After dispose, a server that never replies does not keep the process alive.
const idle = await startSmtpServer({ limits: { idleMs: 60_000 } });
const client = await RawClient.greet(idle);
await idle[Symbol.asyncDispose]();
assert.equal(await client.readAll(), "");
client[Symbol.dispose]();
process.stdout.write("ok\n");
