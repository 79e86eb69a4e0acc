import { afterAll, beforeAll } from "bun:test";
import { testAccessTokens } from "../contract/access-token.ts";
import { testHostileServers } from "../contract/hostile.ts";
import { Child } from "../fixtures/process/child.ts";
import { denoPath } from "../fixtures/process/deno.ts";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";
import { openRemoteTransport } from "../fixtures/transport/remote.ts";

const PROGRAM = "test/runtime/fixtures/deno-transport.ts";
/** Time limit of the one process that serves all cases. */
const LONGEST_MS = 600_000;
const FLAGS = ["run", "--no-prompt", "--no-check", "--allow-net", "--allow-env", "--allow-sys"];

const material = openssl === null ? null : makeTlsMaterial();
let folder: Folder;
let deno: Child;
let port = "";

if (denoPath === null) console.warn("npm has no Deno for this machine: hostile servers are not tried on it");
else {
  beforeAll(async () => {
    folder = temporaryFolder();
    const env = { TRUSTED_CA: material?.ca ?? "" };
    const interpreter = [denoPath ?? "deno", ...FLAGS];
    deno = new Child(PROGRAM, [], { folder: folder.path, env, interpreter, maxMs: LONGEST_MS });
    port = (await deno.printed(/^port (\d+)$/m))[1] ?? "";
  });
  afterAll(async () => {
    deno.signal("SIGTERM");
    await deno.ended;
    folder[Symbol.dispose]();
  });
  const makeTransport = () => openRemoteTransport(`ws://127.0.0.1:${port}/`, "smtp");
  testAccessTokens("smtp on Deno", { makeTransport, material });
  testHostileServers("smtp on Deno", { makeTransport, material, timeoutMs: 3_000 });
}
