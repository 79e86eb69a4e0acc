import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSmtpServer, testCertificates } from "../src/testing/smtp/index.ts";
import { sqldPath, startSqld } from "../tools/sqld.ts";
import { bundleWorker, LIBSQL_ENTRY, OBJECT_ENTRY } from "../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../tools/workers/serve.ts";
import { authorized, logIn, PASSWORD } from "./process.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROUNDS = 25;
/** Of a round trip to the mail server, half of it each way. */
const ROUND_TRIP_MS = 20;
const LIMIT = 2.5;
const NAME = `message through a stored definition, ${ROUND_TRIP_MS} ms from the mail server, in workerd`;
const LOGIN = { username: "user", password: "a password" };

/** An instance that a message can be sent through. */
interface Subject extends AsyncDisposable {
  /** Sends a message. @returns the time that its caller waited, in milliseconds. */
  send(): Promise<number>;
}

/**
 * The time of a message in the Durable Object, and in objects of a Worker over a libSQL server, against that Worker without
 * objects. The mail server has STARTTLS, AUTH, PIPELINING and CHUNKING.
 */
export async function benchObjectMail(): Promise<BenchResult[]> {
  if (sqldPath() === null) return [{ name: NAME, skipped: "npm has no libSQL server for this machine" }];
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    await startSmtpServer({
      ...{ security: "starttls", users: { [LOGIN.username]: LOGIN.password } },
      extensions: ["PIPELINING", "CHUNKING"],
    }),
  );
  const port = await delayed(server.port, stack);
  const folder = await mkdtemp(join(tmpdir(), "sealpost-bench-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const sqld = stack.use(await startSqld({ folder: join(folder, "database") }));
  const url = { SEALPOST_DATABASE_URL: sqld.url };
  const plain = stack.use(await serveSubject(LIBSQL_ENTRY, url, port));
  const pooled = stack.use(await serveSubject(LIBSQL_ENTRY, { ...url, SEALPOST_POOL: "object" }, port));
  const whole = stack.use(await serveSubject(OBJECT_ENTRY, {}, port));
  const times = { plain: [] as number[], pooled: [] as number[], whole: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    times.plain.push(await plain.send());
    times.pooled.push(await pooled.send());
    times.whole.push(await whole.send());
  }
  const plainMs = median(times.plain);
  return [
    resultOf(
      `${NAME}: its time with a libSQL server, against that in the Durable Object`,
      plainMs,
      times.whole,
    ),
    resultOf(`${NAME}: its time with a libSQL server, against SEALPOST_POOL=object`, plainMs, times.pooled),
  ];
}

function resultOf(name: string, plainMs: number, times: readonly number[]): BenchResult {
  const ms = median(times);
  const detail = `${plainMs.toFixed(1)} ms against ${ms.toFixed(1)} ms`;
  return { name, ratio: plainMs / ms, limit: LIMIT, better: "higher", detail };
}

async function serveSubject(
  entry: string,
  settings: Readonly<Record<string, string>>,
  port: number,
): Promise<Subject> {
  const keys = `bench:${Buffer.alloc(32, 1).toString("base64")}`;
  const bindings = { ...settings, SEALPOST_KEYS: keys, SEALPOST_ADMIN_PASSWORD: PASSWORD };
  const { ca } = await testCertificates();
  const bundle = await bundleWorker(entry);
  const worker = await serveWorker({ bundle, bindings, services: OBJECTS, authorities: [ca] });
  const { origin } = worker.url;
  const token = await logIn(origin);
  const definition = { server: `localhost:${port}`, sender: "a@example.org", tls: true, ...LOGIN };
  await authorized(`${origin}/smtpserver/main`, token, JSON.stringify(definition));
  const body = JSON.stringify({ recipient: "b@example.net" });
  return {
    async send() {
      const startMs = performance.now();
      const response = await authorized(`${origin}/smtpserver/main/send_test_email`, token, body);
      const { result } = (await response.json()) as { readonly result: { readonly value?: boolean } };
      if (result.value !== true) throw new Error("A message was not sent");
      return performance.now() - startMs;
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}

/** Starts a proxy before a port of this machine that delays every byte. @returns its port. */
async function delayed(target: number, stack: AsyncDisposableStack): Promise<number> {
  const sockets = new Set<Socket>();
  const pipe = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on("data", (data) => setTimeout(() => to.write(data), ROUND_TRIP_MS / 2));
    from.on("close", () => setTimeout(() => to.end(), ROUND_TRIP_MS / 2));
    from.on("error", () => to.destroy());
  };
  const proxy = createServer((client) => {
    const server = connect(target, "127.0.0.1");
    pipe(client.setNoDelay(), server.setNoDelay());
    pipe(server, client);
  });
  await new Promise<void>((resolve) => void proxy.listen(0, "127.0.0.1", resolve));
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const address = proxy.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

if (import.meta.main) for (const result of await benchObjectMail()) print(result);
