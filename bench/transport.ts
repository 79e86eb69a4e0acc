import nodemailer from "nodemailer";
import { Secret } from "../src/domain/secret.ts";
import { createConnect } from "../src/transport/connect.ts";
import { createSmtpTransport } from "../src/transport/smtp/index.ts";
import { type SmtpSink, startSmtpSink } from "../test/fixtures/smtp/sink.ts";
import { type BenchResult, median, print } from "./result.ts";

const MAILS = 1000;
const CONNECTIONS = 5;
/** Runs of each, alternating; the medians count. */
const RUNS = 7;
const LIMIT = 0.9;
const NAME = "transport: 1,000 mails to smtp-sink, against nodemailer's pool";

const FROM = "sender@example.org";
const TO = "user@example.net";
const BYTES = new TextEncoder().encode(
  `From: <${FROM}>\r\nTo: <${TO}>\r\nSubject: Your code\r\n\r\n${"Your code is 123456.\r\n".repeat(40)}`,
);

type Sender = { readonly send: () => Promise<void> } & AsyncDisposable;

/** Sends the same finished bytes through our pool and through nodemailer's, five connections each. */
export async function benchTransport(): Promise<BenchResult> {
  await using sink = await startSmtpSink();
  if (sink === null) return { name: NAME, skipped: "smtp-sink (package postfix) is not installed" };
  await using ours = ourSender(sink);
  await using theirs = nodemailerSender(sink);
  const rates = { ours: [] as number[], theirs: [] as number[] };
  for (let run = 0; run <= RUNS; run++) {
    const pair = [await mailsPerSecond(ours), await mailsPerSecond(theirs)] as const;
    // The first run warms up.
    if (run > 0) {
      rates.ours.push(pair[0]);
      rates.theirs.push(pair[1]);
    }
  }
  const [our, their] = [median(rates.ours), median(rates.theirs)];
  const detail = `${Math.round(our)} mails/s, nodemailer ${Math.round(their)} mails/s`;
  return { name: NAME, ratio: our / their, limit: LIMIT, better: "higher", detail };
}

function ourSender({ port }: SmtpSink): Sender {
  const connect = createConnect({ egress: "private", ports: [] });
  const transport = createSmtpTransport({ connect, ehloName: "bench.test", now: () => new Date() });
  const login = { username: "", password: Secret.EMPTY };
  // The bound of a mail includes its wait for a connection, and a thousand wait at once.
  const server = { host: "127.0.0.1", port, security: "none", timeoutMs: 60_000, ...login } as const;
  const { signal } = new AbortController();
  const delivery = { server, poolKey: "bench", from: FROM, recipient: TO, bytes: BYTES };
  return {
    async send() {
      const receipt = await transport.send(delivery, { signal });
      if (!receipt.successful) throw new Error(`Not sent: ${receipt.failure.code}`);
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

function nodemailerSender({ port }: SmtpSink): Sender {
  const options = {
    host: "127.0.0.1",
    port,
    pool: true,
    maxConnections: CONNECTIONS,
    ignoreTLS: true,
  } as const;
  const transport = nodemailer.createTransport({ ...options, name: "bench.test" });
  const mail = { envelope: { from: FROM, to: [TO] }, raw: Buffer.from(BYTES) };
  return {
    async send() {
      await transport.sendMail(mail);
    },
    async [Symbol.asyncDispose]() {
      transport.close();
    },
  };
}

async function mailsPerSecond(sender: Sender): Promise<number> {
  const startMs = performance.now();
  await Promise.all(Array.from({ length: MAILS }, () => sender.send()));
  return (MAILS * 1000) / (performance.now() - startMs);
}

if (import.meta.main) print(await benchTransport());
