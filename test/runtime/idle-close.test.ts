import { describe, expect, test } from "bun:test";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { Child } from "../fixtures/process/child.ts";
import { denoPath } from "../fixtures/process/deno.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";

const PROGRAM = "test/runtime/fixtures/busy-client.ts";
const DENO = [
  denoPath ?? "deno",
  "run",
  "--no-prompt",
  "--no-check",
  "--allow-net",
  "--allow-env",
  "--allow-sys",
];
/** After the acceptance of a message, while the client is busy. */
const CLOSED_AFTER_MS = 50;

for (const [runtime, interpreter] of [
  ["Bun", [process.execPath]],
  ["Deno", DENO],
] as const) {
  describe.skipIf(runtime === "Deno" && denoPath === null)(`on ${runtime}, a connection`, () => {
    for (const security of ["none", "starttls", "implicit"] as const) {
      test.each([
        ["closes", mis.halfClose()],
        ["hangs up", mis.hangUp()],
      ])(
        `that the server %s while the process is busy is not written to, ${security}`,
        async (_what, how) => {
          const body = mis.then((peer) => peer.after(CLOSED_AFTER_MS, () => how(peer, () => undefined)));
          const extensions = ["PIPELINING", "CHUNKING"];
          await using server = await startSmtpServer({ security, extensions, script: { body } });
          using folder = temporaryFolder();
          const env = { TRUSTED_CA: server.ca ?? "" };
          const child = new Child(PROGRAM, [String(server.port), security], {
            folder: folder.path,
            env,
            interpreter,
          });
          expect(await child.ended).toMatchObject({ stdout: "sent\nsent\n" });
          const senders = server.connections.map(({ commands }) =>
            commands.filter((line) => /^MAIL/.test(line)),
          );
          expect(senders.map(({ length }) => length)).toEqual([1, 1]);
        },
      );
    }
  });
}
