import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { attemptHttp, type HttpAttempt, type HttpResult } from "../fixtures/http/attempt.ts";
import { type HttpServer, type Reaction, startHttpServer } from "../fixtures/http/server.ts";
import { denoPath } from "../fixtures/process/deno.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";

interface Case {
  readonly claim: string;
  readonly attempt: HttpAttempt;
  readonly expected: HttpResult;
}

const REACTIONS: Readonly<Record<string, Reaction>> = {
  "/redirect": { status: 302, headers: { Location: "/elsewhere" } },
  "/limited": { status: 429, headers: { "Retry-After": "17" }, body: "slow down" },
  "/empty": { status: 204 },
  "/large": { status: 202, body: "y".repeat(70_000) },
  "/hang-up": "hang-up",
  "/cut": "cut",
  "/silence": "silence",
};
const DENIED = { error: "connect", phase: "policy", code: "egress_denied" };
const ALL = ["dns", "connect", "data"];

const material = openssl === null ? null : makeTlsMaterial();
const node = Bun.which("node");

/** Resets each connection at the first bytes. */
async function startResettingServer(): Promise<Server> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => undefined).once("data", () => socket.resetAndDestroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function casesFor(
  plain: HttpServer,
  secure: HttpServer | null,
  wrong: HttpServer | null,
  resetting: number,
): Case[] {
  const to = (path: string): HttpAttempt => ({ url: plain.origin + path });
  const lost = { error: "http", isComplete: true, status: null };
  const ca = [material?.ca ?? ""];
  const named = `https://localhost:${secure?.port}`;
  const tls: Case[] = [
    {
      claim: "verifies the name of the URL, on the address that was checked",
      attempt: { url: `${named}/hello`, ca, address: "127.0.0.1" },
      expected: { status: 200, body: "POST /hello", retryAfter: null, phases: ALL },
    },
    {
      claim: "sends nothing to a server whose certificate is not trusted",
      attempt: { url: `${named}/hello` },
      expected: { error: "connect", phase: "certificate", code: "cert_untrusted" },
    },
    {
      claim: "sends nothing to a server with a certificate of another name",
      attempt: { url: `https://localhost:${wrong?.port}/hello`, ca },
      expected: { error: "connect", phase: "certificate", code: "cert_name" },
    },
  ];
  return [
    {
      claim: "gets",
      attempt: { ...to("/hello?a=1"), method: "GET" },
      expected: { status: 200, body: "GET /hello?a=1", retryAfter: null, phases: ALL },
    },
    {
      claim: "posts",
      attempt: to("/hello"),
      expected: { status: 200, body: "POST /hello", retryAfter: null, phases: ALL },
    },
    {
      claim: "returns a redirect",
      attempt: to("/redirect"),
      expected: { status: 302, body: "", retryAfter: null, phases: ALL },
    },
    {
      claim: "returns the header fields of an error",
      attempt: to("/limited"),
      expected: { status: 429, body: "slow down", retryAfter: "17", phases: ALL },
    },
    {
      claim: "returns a response without a body",
      attempt: to("/empty"),
      expected: { status: 204, body: "", retryAfter: null, phases: ALL },
    },
    {
      claim: "stops reading at the limit",
      attempt: to("/large"),
      expected: { error: "http", code: "too_large", isComplete: true, status: 202 },
    },
    { claim: "reports a hang-up", attempt: to("/hang-up"), expected: { ...lost, code: "closed" } },
    {
      claim: "reports the status of a response whose body is lost",
      attempt: to("/cut"),
      expected: { ...lost, code: "closed", status: 202 },
    },
    {
      claim: "ends when its time is over",
      attempt: { ...to("/silence"), timeoutMs: 150 },
      expected: { ...lost, code: "timeout" },
    },
    {
      claim: "a request that was cut cannot have arrived",
      attempt: { url: `http://127.0.0.1:${resetting}/`, bodyLength: 20_000_000 },
      expected: { error: "http", code: "closed", isComplete: false, status: null },
    },
    ...(secure === null ? [] : tls),
  ];
}

const DENIALS: readonly (readonly [string, HttpAttempt])[] = [
  ["clear text to another host", { url: "http://mail.example/", address: "127.0.0.1" }],
  ["clear text to loopback in public mode", { url: "http://127.0.0.1:9/", egress: "public" }],
  ["loopback in public mode", { url: "https://127.0.0.1:9/", egress: "public" }],
  ["a name of a denied address", { url: "https://mail.example/", address: "169.254.169.254" }],
  [
    "a name of loopback in public mode",
    { url: "https://mail.example/", egress: "public", address: "127.0.0.1" },
  ],
  ["a denied address in another form", { url: "https://0xa9fea9fe/" }],
  ["an IPv6 address that embeds one", { url: "https://[::ffff:169.254.169.254]/" }],
  ["a port that is not listed", { url: "https://127.0.0.1:9/", ports: [587] }],
  ["credentials in the URL", { url: "https://user:word@127.0.0.1:9/" }],
  ["another scheme", { url: "ftp://127.0.0.1/" }],
];

describe("an HTTP client", () => {
  let cases: readonly Case[] = [];
  const servers: (HttpServer | null)[] = [];
  let resetting: Server;
  const react = ({ method, path }: { readonly method: string; readonly path: string }): Reaction =>
    REACTIONS[path] ?? { status: 200, body: `${method} ${path}` };

  beforeAll(async () => {
    const plain = await startHttpServer(react);
    const secure = material && (await startHttpServer(react, material.good));
    const wrong = material && (await startHttpServer(react, material.otherName));
    servers.push(plain, secure, wrong);
    resetting = await startResettingServer();
    cases = casesFor(plain, secure, wrong, portOf(resetting));
  });
  afterAll(async () => {
    resetting.close();
    for (const server of servers) await server?.[Symbol.asyncDispose]();
  });

  const runners: readonly (readonly [
    string,
    ((attempts: readonly HttpAttempt[]) => Promise<unknown>) | null,
  ])[] = [
    ["Bun", (attempts) => Promise.all(attempts.map(attemptHttp))],
    [
      "Deno",
      denoPath === null ? null : (attempts) => runIn([denoPath ?? "", ...DENO_FLAGS], PROGRAM, attempts),
    ],
    ["Node", node === null ? null : (attempts) => runIn([node], null, attempts)],
  ];
  for (const [runtime, run] of runners) {
    test.skipIf(run === null)(`reports what became certain, on ${runtime}`, async () => {
      const results = await run?.(cases.map(({ attempt }) => attempt));
      const expected = cases.map(({ expected }) => expected);
      expect(results).toEqual(expected);
    });
  }

  for (const [what, attempt] of DENIALS) {
    test(`denies ${what}`, async () => expect(await attemptHttp(attempt)).toEqual(DENIED));
  }

  test("may always use port 443", async () => {
    const attempt = { url: "https://127.0.0.1/", ports: [587] };
    expect(await attemptHttp(attempt)).not.toEqual(DENIED);
  });

  test("reports a refused connection as one", async () => {
    const server = await startResettingServer();
    const port = portOf(server);
    await new Promise((resolve) => server.close(resolve));
    const expected = { error: "connect", phase: "connect", code: "refused" };
    expect(await attemptHttp({ url: `http://127.0.0.1:${port}/` })).toEqual(expected);
  });

  test("writes the request once, as it was given", async () => {
    await using server = await startHttpServer(() => ({ status: 202 }));
    const headers = { "Content-Type": "text/plain", Authorization: "Bearer abc" };
    await attemptHttp({ url: `${server.origin}/a%20b?c=%2F`, headers, body: "grüß" });
    expect(server.connections).toBe(1);
    const [request] = server.requests;
    expect(request?.path).toBe("/a%20b?c=%2F");
    expect(request?.body.toString()).toBe("grüß");
    expect(request?.headers).toEqual({
      "content-type": "text/plain",
      authorization: "Bearer abc",
      host: `127.0.0.1:${server.port}`,
      "content-length": "6",
      connection: "close",
    });
  });
});

const PROGRAM = "test/fixtures/http/program.ts";
const DENO_FLAGS = ["run", "--no-prompt", "--no-check", "--allow-net", "--allow-env", "--allow-sys"];

/** @param program `null` for a bundle of {@link PROGRAM}, because Node does not run TypeScript. */
async function runIn(
  interpreter: readonly string[],
  program: string | null,
  attempts: unknown,
): Promise<unknown> {
  using folder = temporaryFolder();
  const bundle = join(folder.path, "program.mjs");
  if (program === null) {
    const { outputs } = await Bun.build({ entrypoints: [PROGRAM], target: "node", format: "esm" });
    await Bun.write(bundle, outputs[0] ?? "");
  }
  const child = Bun.spawn([...interpreter, program ?? bundle, JSON.stringify(attempts)], { stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if (stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout);
}
