import { join } from "node:path";
import { sign } from "hono/jwt";
import { startSmtpServer } from "../src/testing/smtp/index.ts";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { NO_SQLD, startCountedDatabase } from "../test/fixtures/round-trips.ts";
import { bundleWorker, LIBSQL_ENTRY, OBJECT_ENTRY } from "../tools/workers/build.ts";
import { OBJECTS, type Services, serveWorker } from "../tools/workers/serve.ts";
import { fill } from "./list.ts";
import { authorized, logIn, PASSWORD } from "./process.ts";
import { repeat } from "./repeat.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROUNDS = 7;
const CALLS = 60;
const CLIENTS = 8;
const MESSAGES = 10;
const COLD_STARTS = 9;
const RESTARTS = 60;
const LOGINS = 12;
const DATABASE_MS = 5;

const KEYS = `bench:${Buffer.alloc(32, 1).toString("base64")}`;
const BINDINGS = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const LIST = "/smtpserver/";
const PEER_SECRET = "a secret of the bench";
const DEFINITION = JSON.stringify({ server: "mail.example.org", sender: "app@example.org" });

/** One build of the Worker in workerd, with 100 definitions. */
interface Subject {
  readonly origin: string;
  readonly token: string;
}

/** The build with an object, and the one for a libSQL server, in the same run. */
interface Arena extends AsyncDisposable {
  readonly object: Subject;
  readonly libsql: Subject;
}

async function startArena(delayMs: number): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await startCountedDatabase());
  const object = stack.use(
    await serveWorker({ bundle: await bundleWorker(OBJECT_ENTRY), bindings: BINDINGS, services: OBJECTS }),
  );
  const libsql = stack.use(
    await serveWorker({
      bundle: await bundleWorker(LIBSQL_ENTRY),
      bindings: { ...BINDINGS, SEALPOST_DATABASE_URL: proxy.url },
    }),
  );
  const filled = async ({ url: { origin } }: { readonly url: URL }): Promise<Subject> => ({
    origin,
    token: await fill(origin),
  });
  const subjects = { object: await filled(object), libsql: await filled(libsql) };
  proxy.delayMs = delayMs;
  const running = stack.move();
  return { ...subjects, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

async function call({ origin, token }: Subject, path: string, body?: string): Promise<void> {
  const response = await authorized(origin + path, token, body);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
}

/** Returns how many times as fast the object is, by the medians of all measurements in rounds that alternate. */
async function compare(
  arena: Arena,
  perRound: number,
  measure: (subject: Subject, at: number) => Promise<number>,
): Promise<{ readonly ratio: number; readonly detail: string }> {
  const times = { object: [] as number[], libsql: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (let at = 0; at < perRound; at++) times.object.push(await measure(arena.object, at));
    for (let at = 0; at < perRound; at++) times.libsql.push(await measure(arena.libsql, at));
  }
  const [ours, theirs] = [median(times.object), median(times.libsql)];
  return { ratio: theirs / ours, detail: `${ours.toFixed(2)} ms, libSQL ${theirs.toFixed(2)} ms` };
}

/** An object of its own bundle, with the request that is its first. */
interface FirstSubject {
  readonly entry: string;
  readonly bindings: Readonly<Record<string, string>>;
  /** @param origin of the Worker in front, which may have to be filled first. */
  readonly tokenFor: (origin: string) => Promise<string>;
}

/** Sealpost, a bare object of the same libraries, and an empty one. */
const FIRST = {
  ours: { entry: OBJECT_ENTRY, bindings: BINDINGS, tokenFor: fill },
  peer: {
    entry: join(import.meta.dir, "object-peer.ts"),
    bindings: { SECRET: PEER_SECRET },
    tokenFor: () => sign({ name: "bench", exp: Math.floor(Date.now() / 1_000) + 3_600 }, PEER_SECRET),
  },
  empty: { entry: join(import.meta.dir, "object-empty.ts"), bindings: {}, tokenFor: async () => "" },
} satisfies Readonly<Record<string, FirstSubject>>;

type FirstOf = Readonly<Record<keyof typeof FIRST, () => Promise<number>>>;

/** Compares the first requests of three objects, in turns. Each call starts an object. */
async function compareFirst(name: string, starts: number, first: FirstOf): Promise<BenchResult> {
  const times = { ours: [] as number[], peer: [] as number[], empty: [] as number[] };
  for (let start = 0; start < starts; start++) {
    times.ours.push(await first.ours());
    times.peer.push(await first.peer());
    times.empty.push(await first.empty());
  }
  const [our, peer, empty] = [median(times.ours), median(times.peer), median(times.empty)];
  const detail = `${our.toFixed(1)} ms, peer ${peer.toFixed(1)} ms; ${(our / empty).toFixed(1)} times an object that only reads a row, ${empty.toFixed(1)} ms`;
  return { name, ratio: our / peer, limit: 3, better: "lower", detail };
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** The object against the libSQL build over sqld on the same machine. */
export async function benchObject(): Promise<BenchResult[]> {
  const name = (what: string) => `${what} in workerd: the object build against the libSQL build`;
  if (NO_SQLD !== null) return [{ name: name("calls"), skipped: NO_SQLD }];
  await using arena = await startArena(0);
  const list = (subject: Subject) => timeOf(() => call(subject, LIST));
  const save = (subject: Subject, at: number) =>
    timeOf(() => call(subject, `${LIST}saved-${at % 10}`, DEFINITION));
  const listTogether = async (subject: Subject) => {
    const together = () => repeat(CALLS, CLIENTS, () => call(subject, LIST));
    return (await timeOf(together)) / CALLS;
  };
  return [
    {
      name: name("GET /smtpserver/, 100 definitions, one at a time"),
      ...(await compare(arena, CALLS, list)),
      ...{ limit: 3, better: "higher" },
    },
    {
      name: name(`GET /smtpserver/, 100 definitions, ${CLIENTS} clients`),
      ...(await compare(arena, 1, listTogether)),
      ...{ limit: 1, better: "higher" },
    },
    {
      name: name("POST a definition, one at a time"),
      ...(await compare(arena, CALLS, save)),
      ...{ limit: 3, better: "higher" },
    },
  ];
}

/** Queued mail, from the call to its arrival at the mail server. */
export async function benchObjectQueue(): Promise<BenchResult> {
  const name = `queued mail in workerd, from the call to its arrival, ${DATABASE_MS} ms to the database: the object build against the libSQL build`;
  if (NO_SQLD !== null) return { name, skipped: NO_SQLD };
  await using arena = await startArena(DATABASE_MS);
  await using server = await startSmtpServer();
  const definition = JSON.stringify({ server: `127.0.0.1:${server.port}`, sender: "app@example.org" });
  for (const subject of [arena.object, arena.libsql]) await call(subject, `${LIST}queue`, definition);
  const body = JSON.stringify({ server: "queue", to: "ann@example.net", text: "Hello", queue: true });
  const result = await compare(arena, MESSAGES, async (subject) => {
    const arrived = Promise.withResolvers<void>();
    server.script("body", (_peer, accept) => {
      arrived.resolve();
      accept();
    });
    return timeOf(async () => {
      await call(subject, "/mail/", body);
      await arrived.promise;
    });
  });
  return { name, ...result, limit: 3, better: "higher" };
}

/** Ends the object when a request asks for it, as the platform ends one that is idle. */
const ENDING = {
  name: "ending.js",
  text: `import front, { Sealpost as Lasting } from "./worker.js";
    export class Sealpost extends Lasting {
      fetch(request) {
        if (new URL(request.url).pathname === "/end") this.ctx.abort();
        return super.fetch(request);
      }
    }
    export default front;`,
};

/**
 * The first request of an object that is created again in a running isolate, as one that was idle is, against that of a
 * bare object with Hono and Drizzle.
 */
export async function benchObjectAgain(): Promise<BenchResult> {
  await using stack = new AsyncDisposableStack();
  const start = async ({ entry, bindings, tokenFor }: FirstSubject) => {
    const { modules } = await bundleWorker(entry);
    const bundle = { modules: [ENDING, ...modules] };
    const worker = stack.use(await serveWorker({ bundle, bindings, services: OBJECTS }));
    const { origin } = worker.url;
    const token = await tokenFor(origin);
    return async () => {
      await fetch(`${origin}/end`);
      return timeOf(() => call({ origin, token }, `${LIST}server-0`));
    };
  };
  const first = {
    ours: await start(FIRST.ours),
    peer: await start(FIRST.peer),
    empty: await start(FIRST.empty),
  };
  // Awaited here, because the Workers end with this function.
  return await compareFirst(
    "first request (one definition) of an object that is created again in a running isolate, against a bare object with Hono and Drizzle",
    RESTARTS,
    first,
  );
}

/** The first request of an object after the start of workerd, against that of the same bare object. */
export async function benchObjectCold(): Promise<BenchResult> {
  using stack = new DisposableStack();
  const start = async ({ entry, bindings, tokenFor }: FirstSubject) => {
    const { path } = stack.use(temporaryFolder());
    const options = {
      ...{ bundle: await bundleWorker(entry), bindings },
      services: { ...OBJECTS, durableObjectsPersist: path },
    };
    let token = "";
    const first = async () => {
      await using worker = await serveWorker(options);
      const { origin } = worker.url;
      if (token === "") token = await tokenFor(origin);
      // Awaited here, because the Worker ends with this function.
      return await timeOf(() => call({ origin, token }, `${LIST}server-0`));
    };
    // Its database is created, which is not measured.
    await first();
    return first;
  };
  const first = {
    ours: await start(FIRST.ours),
    peer: await start(FIRST.peer),
    empty: await start(FIRST.empty),
  };
  // The folders end with this function.
  return await compareFirst(
    "first request (one definition) of an object in a fresh isolate, against a bare object with Hono and Drizzle",
    COLD_STARTS,
    first,
  );
}

/**
 * A GET while others log in, against a GET alone. As at Cloudflare, the object and each front have a thread of their
 * own: three processes of workerd, of which one front takes the logins and the other the GET.
 */
export async function benchObjectLogin(): Promise<BenchResult> {
  using folder = temporaryFolder();
  const bundle = await bundleWorker(OBJECT_ENTRY);
  const start = (name: string, services: Services, bindings = {}) =>
    serveWorker({ bundle, bindings, services: { ...services, name, unsafeDevRegistryPath: folder.path } });
  const remote: Services = {
    durableObjects: { OBJECT: { ...OBJECTS.durableObjects.OBJECT, scriptName: "object" } },
  };
  await using _object = await start("object", OBJECTS, BINDINGS);
  await using logins = await start("logins", remote);
  await using reads = await start("reads", remote);
  const subject = { origin: reads.url.origin, token: await logIn(reads.url.origin) };
  await call(subject, `${LIST}one`, DEFINITION);
  const times = { alone: [] as number[], beside: [] as number[] };
  const read = async (sink: number[]) => void sink.push(await timeOf(() => call(subject, `${LIST}one`)));
  await repeat(CALLS, 1, () => read([]));
  await repeat(CALLS, 1, () => read(times.alone));
  let left = LOGINS;
  const flood = repeat(LOGINS, 1, async () => {
    await logIn(logins.url.origin);
    left--;
  });
  while (left > 0) await read(times.beside);
  await flood;
  const [alone, beside] = [median(times.alone), median(times.beside)];
  const slow =
    times.beside.toSorted((one, other) => one - other)[Math.floor(times.beside.length * 0.95)] ?? 0;
  return {
    name: "a GET while others log in, against a GET alone, with the object and its fronts in processes of their own",
    ratio: beside / alone,
    ...{ limit: 5, better: "lower" },
    detail: `${beside.toFixed(1)} ms (${slow.toFixed(1)} ms at 95 %, ${times.beside.length} GETs), alone ${alone.toFixed(1)} ms`,
  };
}

if (import.meta.main) {
  for (const bench of [benchObject, benchObjectQueue, benchObjectCold, benchObjectAgain, benchObjectLogin])
    for (const result of [await bench()].flat()) print(result);
}
