import { expect, setDefaultTimeout, test } from "bun:test";
import { dirname, join } from "node:path";
import { startSmtpServer, testCertificates } from "../../src/testing/smtp/index.ts";
import { node22 } from "../fixtures/process/node.ts";
import { pageCommands } from "../fixtures/process/page.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import { opensslVerify } from "../fixtures/smime/verify.ts";
import { findObstacle, makeProject, run, TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the package on Node 22; ${obstacle}`);

const APP = `
import { createSealpost } from "sealpost";
import { openDrivers } from "sealpost/node";

const { definition, message, tlsCa } = JSON.parse(process.env.CASE);
const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db", tlsCa }));
await sealpost.start();
const admin = { username: "admin", password: "of the first admin" };
await sealpost.makeFirstAdmin(admin);
const post = async (path, json, headers = {}) => {
  const body = JSON.stringify(json);
  const init = { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
  return (await sealpost.app.request(path, init)).json();
};
const Authorization = (await post("/auth", admin)).result.value.token;
await post("/smtpserver/main", definition, { Authorization });
const { state } = await sealpost.submit("main", message);
console.log(process.version, state);
await sealpost[Symbol.asyncDispose]();
`;

test.skipIf(obstacle !== "")(
  "the package sends a signed message on Node 22, with a client certificate",
  async () => {
    const { key, certificate, intermediate, root } = await sender("p256");
    const { ca, client } = await testCertificates();
    await using smtp = await startSmtpServer({ security: "starttls", clientCa: ca });
    using project = await makeProject({ "app.mjs": APP }, [
      "hono",
      "drizzle-orm@0.45",
      "valibot",
      "postal-mime",
    ]);
    const pair = { tls_certificate: client.cert, tls_private_key: client.key };
    const definition = { server: "127.0.0.1", port: smtp.port, tls: true, sender: SENDER, ...pair };
    const signed = {
      ...definition,
      smime: true,
      private_key: key,
      certificate: certificate + intermediate.certificate,
    };
    const message = { to: [{ name: "", address: "ann@example.net" }], subject: "Hello", text: "Hi Ann" };
    const env = { CASE: JSON.stringify({ definition: signed, message, tlsCa: ca }) };
    expect(await run([await node22(), "app.mjs"], project.path, env)).toMatch(/^v22\.\S+ delivered\n$/);
    expect(smtp.messages.map(({ recipients }) => recipients)).toEqual([["ann@example.net"]]);
    expect(smtp.connections.map(({ clientName }) => clientName)).toEqual(["client.test"]);
    const verified = await opensslVerify(smtp.messages[0]?.bytes ?? new Uint8Array(), root);
    expect(verified.code).toBe(0);
  },
);

/** Program of the package in a project. */
const PROGRAM = join("node_modules", "sealpost", "dist", "module", "cli", "bin.js");

test.skipIf(obstacle !== "")(
  "the program of the package explains itself, and has the command line",
  async () => {
    using project = await makeProject({}, ["hono", "drizzle-orm@0.45", "valibot"]);
    const node = await node22();
    expect(await run([node, PROGRAM, "--help"], project.path)).toStartWith("Usage: sealpost [start]");
    expect(await run([node, PROGRAM, "cli", "admin", "list"], project.path)).toBe("");
    const failed = await run([node, PROGRAM, "stat"], project.path).catch(String);
    expect(failed).toContain("sealpost: unknown command: stat\nUsage: sealpost");
  },
);

test.skipIf(obstacle !== "" || Bun.which("npx") === null)(
  "the commands of docs/node.md start the server and the command line of the package",
  async () => {
    using project = await makeProject({}, ["hono", "drizzle-orm@0.45", "valibot"]);
    const [, commands = ""] = await pageCommands("docs/node.md");
    const [server = "", cli = ""] = commands.trim().split("\n");
    const PATH = `${dirname(await node22())}:${process.env.PATH ?? ""}`;
    expect(await run(["bash", "-c", cli], project.path, { PATH })).toBe("No message waits\n");
    const child = Bun.spawn(["bash", "-c", server], {
      cwd: project.path,
      env: { ...process.env, PATH, PORT: "0" },
      stdout: "pipe",
      stderr: "ignore",
      // npx does not pass signals on.
      detached: true,
    });
    try {
      let output = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        output += chunk;
        if (output.includes("Password:")) break;
      }
      expect(output).toMatch(/^Sealpost is listening on http:/m);
    } finally {
      process.kill(-child.pid, "SIGKILL");
    }
  },
);

const oldNode = Bun.which("node");
const isOld = oldNode !== null && /^v(1[4-9]|2[01])\./.test(await run([oldNode, "--version"], "."));
if (!isOld) console.warn("Skipped: the program of the package on an old Node; there is none");

test.skipIf(obstacle !== "" || !isOld)("an old Node gets one line that names both versions", async () => {
  using project = await makeProject({}, ["hono", "drizzle-orm@0.45", "valibot"]);
  const failed = await run([oldNode ?? "", PROGRAM], project.path).catch(String);
  expect(failed).toMatch(/\nsealpost: Node \d+\.\d+\.\d+ is too old: install Node 22\.12 or newer\n$/);
});
