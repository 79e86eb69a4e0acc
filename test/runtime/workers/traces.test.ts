import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Log, LogLevel, Miniflare } from "miniflare";
import { reply, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from "../../../tools/workers/serve.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, bindingsFor, PASSWORD, startDatabase, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** Receives the spans of the Worker as Cloudflare's exporter does, and prints each event. */
const TAIL = `
const withoutBigInts = (_, value) => (typeof value === "bigint" ? Number(value) : value);
const print = ({ event, spanContext }) => {
  if (["spanOpen", "attributes", "spanClose"].includes(event.type)) console.log(JSON.stringify({ event, spanContext }, withoutBigInts));
};
export default { tailStream: () => print };`;
const FLAGS = [...COMPATIBILITY_FLAGS, "streaming_tail_worker", "experimental"];

interface TailEvent {
  readonly event:
    | { readonly type: "spanOpen"; readonly name: string; readonly spanId: string }
    | {
        readonly type: "attributes";
        readonly info: readonly { readonly name: string; readonly value: unknown }[];
      }
    | { readonly type: "spanClose" };
  readonly spanContext: { readonly traceId: string; readonly spanId: string };
}

interface WorkerSpan {
  readonly name: string;
  readonly parent: string;
  readonly attributes: Record<string, unknown>;
}

const database = await startDatabase();
afterAll(() => database[Symbol.asyncDispose]());

/** The Worker with a tail. */
async function startTraced() {
  const events: TailEvent[] = [];
  let changed = Promise.withResolvers<void>();
  const { modules } = await builtWorker();
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    cf: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.NONE),
    handleStructuredLogs({ message }: { readonly message: string }) {
      if (!message.startsWith('{"event":')) return;
      events.push(JSON.parse(message));
      changed.resolve();
      changed = Promise.withResolvers();
    },
    workers: [
      {
        name: "sealpost",
        modules: modules.map(({ name, text }) => ({ type: "ESModule", path: name, contents: text })),
        compatibilityDate: COMPATIBILITY_DATE,
        compatibilityFlags: COMPATIBILITY_FLAGS,
        bindings: { ...bindingsFor(database.url) },
        streamingTails: ["tail"],
        outboundService: { network: { allow: ["public", "private"] } },
      },
      {
        name: "tail",
        modules: [{ type: "ESModule", path: "tail.js", contents: TAIL }],
        compatibilityDate: COMPATIBILITY_DATE,
        compatibilityFlags: FLAGS,
      },
    ],
  });
  const { origin } = await miniflare.ready;
  return {
    origin,
    /** Resolves to the spans when one of this name has been closed. The time limit of the test bounds it. */
    async until(name: string): Promise<readonly WorkerSpan[]> {
      while (!spansOf(events).some((span) => span.name === name && span.isClosed)) await changed.promise;
      return spansOf(events);
    },
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}

/** Span IDs are unique within an invocation only. */
function spansOf(events: readonly TailEvent[]) {
  const spans = new Map<string, WorkerSpan & { isClosed: boolean }>();
  for (const { event, spanContext } of events) {
    const id = (span: string) => `${spanContext.traceId} ${span}`;
    const own = spans.get(id(spanContext.spanId));
    if (event.type === "spanOpen")
      spans.set(id(event.spanId), {
        name: event.name,
        parent: own?.name ?? "",
        attributes: {},
        isClosed: false,
      });
    else if (own !== undefined && event.type === "spanClose") own.isClosed = true;
    else if (own !== undefined && event.type === "attributes")
      for (const { name, value } of event.info) own.attributes[name] = value;
  }
  return [...spans.values()];
}

describe("the Worker", () => {
  test("opens spans in the platform's tracing, with the phases of a delivery that fails", async () => {
    await using worker = await startTraced();
    await using smtp = await startSmtpServer({ script: { rcpt: reply("550 5.1.1 No ann@example.net") } });
    const api = await logIn(worker.origin, ADMIN, PASSWORD);
    await api.test({
      ...{ server: `127.0.0.1:${smtp.port}`, sender: "app@example.org", recipient: "ann@example.net" },
    });
    const spans = await worker.until("submit");
    const own = spans.filter(({ name }) => /^(submit|deliver|recipient)$/.test(name));
    expect(own.map(({ name, parent }) => [name, parent])).toEqual([
      ["submit", ""],
      ["deliver", "submit"],
      ["recipient", "deliver"],
    ]);
    const [submit, deliver, recipient] = own.map(({ attributes }) => attributes);
    expect(submit).toMatchObject({ "sealpost.state": "failed", "error.type": "recipient_rejected" });
    expect(deliver).toMatchObject({ "messaging.system": "smtp", "sealpost.smtp.reply_code": 550 });
    expect(recipient).toEqual({
      "error.type": "recipient_rejected",
      "sealpost.duration_ms": expect.any(Number),
    });
    const described = own.map(({ attributes }) => attributes);
    expect(JSON.stringify(described)).not.toMatch(/@|\bann\b|Test Email/);
  });

  test("opens spans for queued messages", async () => {
    await using worker = await startTraced();
    await using smtp = await startSmtpServer();
    const api = await logIn(worker.origin, ADMIN, PASSWORD);
    await api.save("office", { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" });
    const message = { server: "office", to: "ann@example.net", subject: "Private", text: "code 4711" };
    const { body } = await api.call<{ readonly id: string }>("POST", "/mail/", message);
    await smtp.untilAccepted(1);
    const spans = await worker.until("process");
    const ids = ["create", "process"].map((name) => spans.find((span) => span.name === name)?.attributes);
    for (const attributes of ids) expect(attributes?.["messaging.message.id"]).toBe(body.result.value?.id);
  });
});
