import { startSmtpServer } from "../src/testing/smtp/index.ts";
import { bundleWorker, OBJECT_ENTRY } from "../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../tools/workers/serve.ts";
import { fill } from "./list.ts";
import { authorized, PASSWORD } from "./process.ts";

// Prints what one Durable Object does in a second in workerd, on this machine: the figures of docs/scaling.md.
// Usage: bun bench/object-rates.ts

const CLIENTS = [1, 8] as const;
const EACH_MS = 2_000;
/** Definitions that are saved in turns, so that few saves are of the same one. */
const SAVED = 50;
const BATCHES = 10;
/** The most that one request may have. */
const PER_BATCH = 100;
const POLL_MS = 5;

const KEYS = `bench:${Buffer.alloc(32, 1).toString("base64")}`;
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };

/** Calls per second, with some clients that each wait for the response to their last call. */
async function rateOf(call: () => Promise<Response>, clients: number): Promise<number> {
  const startMs = performance.now();
  let calls = 0;
  const client = async () => {
    while (performance.now() - startMs < EACH_MS) {
      const response = await call();
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`A call returned ${response.status}`);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return (calls * 1_000) / (performance.now() - startMs);
}

await using smtp = await startSmtpServer();
await using worker = await serveWorker({
  ...{ bundle: await bundleWorker(OBJECT_ENTRY), bindings, services: OBJECTS },
});
const { origin } = worker.url;
const token = await fill(origin);
const post = (path: string, body: object) => authorized(origin + path, token, JSON.stringify(body));
const definition = { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" };
await post("/smtpserver/main", definition);
const message = { server: "main", to: ["you@example.net"], subject: "Hello", text: "Hello" };

let saves = 0;
const CALLS: readonly (readonly [name: string, call: () => Promise<Response>])[] = [
  ["GET /smtpserver/ (101 definitions)", () => authorized(`${origin}/smtpserver/`, token)],
  ["GET /smtpserver/<identifier>", () => authorized(`${origin}/smtpserver/server-0`, token)],
  ["POST /smtpserver/<identifier>", () => post(`/smtpserver/saved-${saves++ % SAVED}`, definition)],
  ["POST /auth", () => post("/auth", { username: "admin", password: PASSWORD })],
  ["a message while the caller waits", () => post("/mail/", { ...message, queue: false })],
  ["a message into the queue", () => post("/mail/", message)],
];

console.log(`calls/s with ${CLIENTS.join(" and with ")} clients`);
for (const [name, call] of CALLS) {
  const rates = [];
  for (const clients of CLIENTS) rates.push((await rateOf(call, clients)).toFixed(0).padStart(6));
  console.log(`${rates.join(" ")}  ${name}`);
}

// Messages of the calls above may still be sent.
let before = -1;
while (before !== smtp.messages.length) {
  before = smtp.messages.length;
  await Bun.sleep(1_000);
}
const startMs = performance.now();
const batch = { messages: Array.from({ length: PER_BATCH }, () => message) };
for (let count = 0; count < BATCHES; count++) await post("/mail/batch", batch);
const acceptedMs = performance.now() - startMs;
while (smtp.messages.length < before + BATCHES * PER_BATCH) await Bun.sleep(POLL_MS);
const sentMs = performance.now() - startMs;
const perSecond = (ms: number) => ((BATCHES * PER_BATCH * 1_000) / ms).toFixed(0);
console.log(`${perSecond(acceptedMs).padStart(6)}  messages/s accepted through POST /mail/batch`);
console.log(
  `${perSecond(sentMs).padStart(6)}  messages/s accepted and sent, to a mail server that replies immediately`,
);
