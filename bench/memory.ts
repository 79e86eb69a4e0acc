import { join } from "node:path";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { SENDER, sender } from "../test/fixtures/smime/authority.ts";
import { startSmtpSink } from "../test/fixtures/smtp/sink.ts";
import { authorized, logIn, serve } from "./process.ts";
import { repeat } from "./repeat.ts";
import { type BenchResult, median, print } from "./result.ts";

const AT_ONCE = 5;
const LISTS = 1_000;
const REQUESTS = 50_000;
/** Samples of the memory during the requests. */
const SAMPLES = 10;
const LIMIT_MIB = 160;
/** After a few idle seconds the server collects all garbage, and the engine returns its pages. */
const IDLE_MS = 10_000;
/** A leak of 1 kB per request adds 50 MiB, and makes the second half a fifth larger than the first. */
const GROWTH_LIMIT = 1.1;
const NAMES = {
  after: "resident memory of a server, idle after 1,000 signed messages and 51,000 requests, against 160 MiB",
  growth: "resident memory of a server: the second half of 50,000 requests against the first",
};

/** The memory of a server after lists over HTTP and signed messages, and its growth. */
export async function benchMemory(): Promise<BenchResult[]> {
  await using sink = await startSmtpSink();
  if (sink === null) {
    const skipped = "smtp-sink (package postfix) is not installed";
    return Object.values(NAMES).map((name) => ({ name, skipped }));
  }
  using folder = temporaryFolder();
  const env = { SEALPOST_DATABASE_URL: `file:${join(folder.path, "data", "sealpost.db")}` };
  await using server = await serve([process.execPath, join(import.meta.dir, "memory-server.ts")], { env });
  const token = await logIn(server.origin);
  const definition = await signedDefinition(sink.port);
  const saved = await authorized(`${server.origin}/smtpserver/signed`, token, definition);
  if (!saved.ok) throw new Error(await saved.text());
  const ask = async (at: number) => {
    const path = at % 2 === 0 ? "/smtpserver/" : "/smtpserver/signed";
    await (await authorized(server.origin + path, token)).text();
  };
  await repeat(LISTS, AT_ONCE, ask);
  await server.tell("send");
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await repeat(REQUESTS / SAMPLES, AT_ONCE, ask);
    samples.push(Number(await server.tell("weigh")));
  }
  await Bun.sleep(IDLE_MS);
  return resultsOf(samples, Number(await server.tell("weigh")));
}

/** @param samples during the requests, in MiB. */
function resultsOf(samples: readonly number[], after: number): BenchResult[] {
  const [first, second] = [samples.slice(0, SAMPLES / 2), samples.slice(SAMPLES / 2)].map(median);
  const detail = `${samples.map((mib) => mib.toFixed(0)).join(", ")} MiB`;
  const better = "lower";
  return [
    {
      ...{ name: NAMES.after, limit: 1, better, detail: `${after.toFixed(0)} MiB` },
      ratio: after / LIMIT_MIB,
    },
    {
      ...{ name: NAMES.growth, limit: GROWTH_LIMIT, better, detail },
      ratio: (second ?? Number.NaN) / (first ?? Number.NaN),
    },
  ];
}

async function signedDefinition(port: number): Promise<string> {
  const { key, certificate, intermediate } = await sender("rsa");
  return JSON.stringify({
    server: `127.0.0.1:${port}`,
    sender: SENDER,
    password: "a password",
    smime: true,
    private_key: key,
    certificate: certificate + intermediate.certificate,
  });
}

if (import.meta.main) for (const result of await benchMemory()) print(result);
