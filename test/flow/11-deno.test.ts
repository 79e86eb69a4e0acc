import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import deno from "../../deno.json";
import { scripts } from "../../package.json";
import { type Misbehavior, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { DENO_CLI, DENO_SERVER, denoPath } from "../fixtures/process/deno.ts";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startInVain, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

if (denoPath === null) console.warn("Skipped: the server on Deno; npm has no Deno for this machine");
const ENTRY = "src/runtime/deno/server.ts";
/** Upper bound of an immediate exit on a busy machine. */
const PROMPT_MS = 3_000;

const start = ({ path: folder }: Folder) => startSealpost({ folder, interpreter: DENO_SERVER }, ENTRY);

test("bun run start:deno and deno task start give the same permissions", () => {
  const command = /deno run .*$/;
  expect(command.exec(scripts["start:deno"])?.[0]).toBe(deno.tasks.start);
});

test.skipIf(denoPath === null)(
  "the welcome on Deno names an existing command, and only the owner can read the new files",
  async () => {
    using folder = temporaryFolder();
    await using sealpost = await start(folder);
    expect(sealpost.process.stdout).toContain("change it with: deno task cli admin passwd admin)");
    const changed = await runCli(["admin", "passwd", "admin", "--password-stdin"], {
      folder: folder.path,
      interpreter: DENO_CLI,
      input: "another horse\n",
    });
    expect(changed).toMatchObject({ code: 0, stdout: "The password of admin is set\n" });
    await sealpost.logIn("another horse");
    const data = join(folder.path, "data");
    const files = ["sealpost.keys", "sealpost.db", "sealpost.db-wal", "sealpost.db-shm"];
    const modes = ["", ...files].map((name) => (statSync(join(data, name)).mode & 0o777).toString(8));
    expect(modes).toEqual(["700", ...files.map(() => "600")]);
  },
);

test.skipIf(denoPath === null).each(["SIGINT", "SIGTERM"] as const)(
  "a double %s lets the message in flight and its response finish on Deno",
  async (signal) => {
    using folder = temporaryFolder();
    const arrived = Promise.withResolvers<() => void>();
    const hold: Misbehavior = (_peer, answer) => arrived.resolve(answer);
    await using smtp = await startSmtpServer({ script: { body: hold } });
    await using sealpost = await start(folder);
    const api = await sealpost.logIn();
    const mail = { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org", recipient: "b@example.net" };
    const sending = api.test(mail);
    const answer = await arrived.promise;
    sealpost.process.signal(signal);
    await sealpost.process.printed(/Stopping on/, "stderr");
    sealpost.process.signal(signal);
    answer();
    expect((await sending).body.result.value).toBe(true);
    expect((await sealpost.process.ended).code).toBe(0);
  },
);

test.skipIf(denoPath === null)("clients without a whole request do not delay the stop on Deno", async () => {
  using folder = temporaryFolder();
  await using sealpost = await start(folder);
  const { hostname, port } = new URL(sealpost.url);
  const texts = [
    "",
    "POST /auth HTTP/1.1\r\nHost: a\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{",
  ];
  const sockets = texts.map((text) => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => undefined).resume();
    socket.write(text);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  expect((await fetch(`${sealpost.url}/healthz`)).status).toBe(200);
  const startMs = performance.now();
  expect((await sealpost.stop()).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(PROMPT_MS);
});

const IN_VAIN: readonly (readonly [name: string, value: string, said: RegExp])[] = [
  ["SEALPOST_DATABASE_URL", "file:elsewhere/x.db", /elsewhere.*--allow-write.*SEALPOST_DATABASE_URL/],
  ["SEALPOST_TLS_CA", "elsewhere.pem", /SEALPOST_TLS_CA.*elsewhere\.pem.*--allow-read/],
  ["SEALPOST_LOG", "verbose", /SEALPOST_LOG/],
  ["HOST", "192.0.2.1", /HOST, PORT: cannot listen on 192\.0\.2\.1:\d+: HOST is no address/],
];
test.skipIf(denoPath === null).each(IN_VAIN)(
  "%s=%s stops the start on Deno with one line that gives the reason",
  async (name, value, said) => {
    using folder = temporaryFolder();
    const options = { folder: folder.path, env: { [name]: value }, interpreter: DENO_SERVER };
    const { code, stdout, stderr } = await startInVain(options, ENTRY);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sealpost: [^\n]+\n$/);
    expect(stderr).toMatch(said);
  },
);
