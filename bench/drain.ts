import { join } from "node:path";
import { sql } from "drizzle-orm";
import { parseConfig } from "../src/config.ts";
import { Secret } from "../src/domain/secret.ts";
import { type LocalDrivers, openLocalDrivers } from "../src/entry/local.ts";
import { createContentSeal } from "../src/mail/content.ts";
import { createServices, type Services } from "../src/services.ts";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { SENDER, sender } from "../test/fixtures/smime/authority.ts";
import { startSmtpSink } from "../test/fixtures/smtp/sink.ts";
import { repeat } from "./repeat.ts";
import { type BenchResult, print } from "./result.ts";

const MAILS = 10_000;
/** Mails that are accepted at a time. */
const AT_ONCE = 50;
/** As many as a definition has unless it says otherwise. */
const CONNECTIONS = 5;
const LIMIT = 0.4;
const LOOK_EVERY_MS = 20;

const RECIPIENT = "user@example.net";
const ACTOR = { action: "bench", administrator: "", realm: "", client: "", policies: "", requestId: "" };

/** Queued mail drained to smtp-sink, against the pooled transport that sends the same bytes without a database. */
export async function benchDrain(kind: "signed" | "unsigned"): Promise<BenchResult> {
  const name = `queue: 10,000 ${kind} mails drained to smtp-sink, against the transport without a database`;
  await using sink = await startSmtpSink();
  if (sink === null) return { name, skipped: "smtp-sink (package postfix) is not installed" };
  using folder = temporaryFolder();
  const SEALPOST_DATABASE_URL = `file:${join(folder.path, "sealpost.db")}`;
  const drivers = await openLocalDrivers(parseConfig({ SEALPOST_DATABASE_URL }));
  const settings = { tokenSeconds: 3_600, auditDays: 365, mailDays: 30, hostName: "bench.test" };
  await using services = createServices(drivers, settings);
  await services.start();
  await fill(services, sink.port, kind === "signed");
  const bytes = await bytesOfOne(drivers);
  const bareBefore = await sendBare(drivers, sink.port, bytes);
  const drained = await drain(services, drivers);
  const bare = (bareBefore + (await sendBare(drivers, sink.port, bytes))) / 2;
  const detail = `${Math.round(drained)} mails/s, transport alone ${Math.round(bare)} mails/s, ${bytes.length} octets each`;
  return { name, ratio: drained / bare, limit: LIMIT, better: "higher", detail };
}

async function fill({ saveServer, submit }: Services, port: number, smime: boolean): Promise<void> {
  const { key, certificate, intermediate } = await sender("rsa");
  const unset = { password: undefined, privateKeyPassword: undefined, mailsPerMinute: undefined };
  const input = {
    ...{ ...unset, server: "127.0.0.1", port, sender: SENDER, username: "", tls: false, timeout: 60 },
    ...{ enqueueJob: true, description: "", smime, dontSendOnError: true, maxConnections: CONNECTIONS },
    privateKey: smime ? new Secret(key) : undefined,
    certificate: smime ? certificate + intermediate.certificate : undefined,
  };
  await saveServer("bench", input, { ifMatch: null, createOnly: false }, ACTOR);
  const message = { to: [{ name: "", address: RECIPIENT }], subject: "Your code", text: "123456\n" };
  await repeat(MAILS, AT_ONCE, async () => {
    const result = await submit("bench", message);
    if (result.state !== "queued") throw new Error(JSON.stringify(result));
  });
}

async function bytesOfOne({ database, keyring, platform }: LocalDrivers): Promise<Uint8Array> {
  const row = await database.read.get<{ id: string; content: string }>(
    sql`SELECT id, content FROM mail_content LIMIT 1`,
  );
  return (await createContentSeal(keyring, platform).open(row.id, row.content)).bytes;
}

/** @returns mails per second. */
async function sendBare({ transport }: LocalDrivers, port: number, bytes: Uint8Array): Promise<number> {
  const login = { username: "", password: Secret.EMPTY };
  const server = { host: "127.0.0.1", port, security: "none", timeoutMs: 60_000, ...login } as const;
  const delivery = { server, poolKey: "bare", from: SENDER, recipient: RECIPIENT, bytes };
  const { signal } = new AbortController();
  const startMs = performance.now();
  await repeat(MAILS, CONNECTIONS, async () => {
    const receipt = await transport.send(delivery, { signal });
    if (!receipt.successful) throw new Error(`Not sent: ${receipt.failure.code}`);
  });
  return (MAILS * 1000) / (performance.now() - startMs);
}

/** @returns mails per second, the last one's fate written down. */
async function drain(services: Services, { database }: LocalDrivers): Promise<number> {
  const stopping = new AbortController();
  const startMs = performance.now();
  const working = services.work(stopping.signal);
  for (let left = 1; left > 0; ) {
    await Bun.sleep(LOOK_EVERY_MS);
    const row = await database.read.get<{ left: number }>(
      sql`SELECT EXISTS (SELECT 1 FROM mail WHERE due_at IS NOT NULL) AS left`,
    );
    left = row.left;
  }
  const tookMs = performance.now() - startMs;
  stopping.abort();
  await working;
  const counts = await services.mailQueue.counts();
  if (counts.some(({ state }) => state !== "sent")) throw new Error(JSON.stringify(counts));
  return (MAILS * 1000) / tookMs;
}

if (import.meta.main) {
  print(await benchDrain("unsigned"));
  print(await benchDrain("signed"));
}
