import { Secret } from "../src/domain/secret.ts";
import { createConnect } from "../src/transport/connect.ts";
import { createSmtpTransport } from "../src/transport/smtp/index.ts";
import { type SmtpSink, startSmtpSink } from "../test/fixtures/smtp/sink.ts";
import { openNodemailerPool } from "./nodemailer.ts";
import { type BenchResult, median, print } from "./result.ts";

const MESSAGES = 1000;
const CONNECTIONS = 5;
/** Runs of each, alternating; the medians count. The first ones warm up. */
const RUNS = 45;
const WARM_UP_RUNS = 24;
const SPEED_LIMIT = 3;
const CPU_LIMIT = 0.3;

const FROM = "sender@example.org";
const TO = "user@example.net";
const BYTES = new TextEncoder().encode(
  `From: <${FROM}>\r\nTo: <${TO}>\r\nSubject: Your code\r\n\r\n${"Your code is 123456.\r\n".repeat(40)}`,
);

type Sender = { readonly send: () => Promise<void> } & AsyncDisposable;

interface Run {
  readonly perSecond: number;
  /** Processor time of this process, in microseconds a message. */
  readonly cpuUs: number;
}

/** Sends the same finished bytes through our pool and through nodemailer's, five connections each. */
export async function benchTransport(): Promise<BenchResult[]> {
  const speed = "transport: 1,000 messages to smtp-sink per second, against nodemailer's pool";
  const cpu = "transport: processor time per message, against nodemailer's pool";
  await using sink = await startSmtpSink();
  if (sink === null) {
    const skipped = "smtp-sink (package postfix) is not installed";
    return [
      { name: speed, skipped },
      { name: cpu, skipped },
    ];
  }
  await using ours = ourSender(sink);
  await using theirs = nodemailerSender(sink);
  const runs = { ours: [] as Run[], theirs: [] as Run[] };
  for (let run = 0; run < WARM_UP_RUNS + RUNS; run++) {
    const pair = [await measure(ours), await measure(theirs)] as const;
    if (run < WARM_UP_RUNS) continue;
    runs.ours.push(pair[0]);
    runs.theirs.push(pair[1]);
  }
  const [ourRate, theirRate] = [runs.ours, runs.theirs].map((all) => median(all.map((one) => one.perSecond)));
  const [ourCpu, theirCpu] = [runs.ours, runs.theirs].map((all) => median(all.map((one) => one.cpuUs)));
  return [
    {
      ...{ name: speed, ratio: ourRate! / theirRate!, limit: SPEED_LIMIT, better: "higher" },
      detail: `${Math.round(ourRate!)} messages/s, nodemailer ${Math.round(theirRate!)}/s`,
    },
    {
      ...{ name: cpu, ratio: ourCpu! / theirCpu!, limit: CPU_LIMIT, better: "lower" },
      detail: `${Math.round(ourCpu!)} µs, nodemailer ${Math.round(theirCpu!)} µs`,
    },
  ];
}

function ourSender({ port }: SmtpSink): Sender {
  const connect = createConnect({ egress: "private", ports: [] });
  const transport = createSmtpTransport({ connect, ehloName: "bench.test", now: () => new Date() });
  const login = { username: "", password: Secret.EMPTY };
  // The timeout of a delivery includes its wait for a connection, and a thousand wait together.
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
  const transport = openNodemailerPool(port, CONNECTIONS);
  const message = { envelope: { from: FROM, to: [TO] }, raw: Buffer.from(BYTES) };
  return {
    async send() {
      await transport.sendMail(message);
    },
    async [Symbol.asyncDispose]() {
      transport.close();
    },
  };
}

async function measure(sender: Sender): Promise<Run> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  await Promise.all(Array.from({ length: MESSAGES }, () => sender.send()));
  const { user, system } = process.cpuUsage(startCpu);
  return {
    perSecond: (MESSAGES * 1000) / (performance.now() - startMs),
    cpuUs: (user + system) / MESSAGES,
  };
}

if (import.meta.main) for (const result of await benchTransport()) print(result);
