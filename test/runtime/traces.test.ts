import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import type { Api, Envelope } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../fixtures/process/deno.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { builtProgram, node22 } from "../fixtures/process/node.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { type ReceivedSpan, startCollector } from "../telemetry/collector.ts";

setDefaultTimeout(TEST_MS);

const node = await node22().catch(() => null);
const program = node === null ? "" : await builtProgram();
if (node === null) console.warn("Skipped: traces on Node; the registry gives no Node 22");
if (denoPath === null) console.warn("Skipped: traces on Deno; npm has no Deno for this machine");

const TRACE = "0af7651916cd43dd8448eb211c80319c";
/** The span of the program that sends. */
const CALLER = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
const SENDER = "app@example.org";
const REJECTED = "ann@example.net";
/** What no span may have. */
const PRIVATE = /@example|%40example|\bann\b|Test Email|hunter2/;

interface Traced {
  readonly name: string;
  readonly isHere: boolean;
  readonly entry: string;
  readonly interpreter?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const RUNTIMES: readonly Traced[] = [
  { name: "Bun", isHere: true, entry: "src/runtime/bun/server.ts" },
  {
    name: "Deno, by its built-in exporter",
    isHere: denoPath !== null,
    entry: "src/runtime/deno/server.ts",
    interpreter: DENO_SERVER,
    env: { OTEL_DENO: "true", OTEL_SERVICE_NAME: "sealpost", OTEL_BSP_SCHEDULE_DELAY: "100" },
  },
  { name: "Node", isHere: node !== null, entry: program, interpreter: [node ?? ""] },
];

function only(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const [first, second] = spans.filter((span) => span.name === name);
  if (first === undefined || second !== undefined) throw new Error(`Not one span: ${name}`);
  return first;
}

/** Polls until a message has failed. The time limit of the test bounds it. */
async function untilFailed(api: Api, id: string): Promise<void> {
  for (;;) {
    const { body } = await api.call<{ readonly state: string }>("GET", `/mail/${id}`);
    if (body.result.value?.state === "failed") return;
  }
}

describe("the server exports its spans by OTLP", () => {
  for (const { name, isHere, entry, interpreter, env } of RUNTIMES) {
    test.skipIf(!isHere)(`on ${name}`, async () => {
      await using collector = startCollector();
      await using smtp = await startSmtpServer({ script: { rcpt: reply(`550 5.1.1 No ${REJECTED}`) } });
      using folder = temporaryFolder();
      await using sealpost = await startSealpost(
        {
          folder: folder.path,
          env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env },
          ...(interpreter && { interpreter }),
        },
        entry,
      );
      const api = await sealpost.logIn();
      await api.save("office", { server: `127.0.0.1:${smtp.port}`, sender: SENDER });
      const message = { server: "office", to: REJECTED, subject: "Test Email", text: "hunter2" };
      const response = await fetch(`${sealpost.url}/mail/`, {
        method: "POST",
        headers: { ...CALLER, Authorization: api.token, "Content-Type": "application/json" },
        body: JSON.stringify(message),
      });
      const { result }: Envelope<{ readonly id: string }> = JSON.parse(await response.text());
      await untilFailed(api, result.value?.id ?? "");
      const ended = sealpost.stop();
      await collector.until("submit", "create", "process", "deliver", "recipient");
      expect((await ended).code).toBe(0);
      const { spans } = collector;
      const [submit, create] = [only(spans, "submit"), only(spans, "create")];
      const [process, deliver] = [only(spans, "process"), only(spans, "deliver")];
      const recipient = only(spans, "recipient");
      expect([submit.traceId, create.parentId]).toEqual([TRACE, submit.spanId]);
      expect(process.traceId).not.toBe(TRACE);
      expect([process.parentId, process.links]).toEqual(["", [create.spanId]]);
      expect([deliver.parentId, recipient.parentId]).toEqual([process.spanId, deliver.spanId]);
      expect(recipient.attributes["error.type"]).toBe("recipient_rejected");
      expect(deliver.attributes["messaging.destination.name"]).toBe("office");
      expect(deliver.service).toBe("sealpost");
      expect(collector.raw()).not.toMatch(PRIVATE);
    });
  }
});
