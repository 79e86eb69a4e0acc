import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
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
  "--allow-read",
];
/** Time in which the close reaches the client's kernel, and more. */
const CLOSING_MS = 50;

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
          using folder = temporaryFolder();
          const closed = join(folder.path, "closed");
          const close: mis.Misbehavior = (peer) =>
            peer.after(CLOSING_MS, () => {
              how(peer, () => undefined);
              setTimeout(() => writeFileSync(closed, ""), CLOSING_MS);
            });
          const body = mis.times(1, mis.then(close));
          const extensions = ["PIPELINING", "CHUNKING"];
          await using server = await startSmtpServer({ security, extensions, script: { body } });
          const env = { TRUSTED_CA: server.ca ?? "" };
          const child = new Child(PROGRAM, [String(server.port), security, closed], {
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
