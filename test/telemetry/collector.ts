/** A span as a collector receives it (opentelemetry/proto/trace/v1/trace.proto). */
export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root span. */
  readonly parentId: string;
  /** Texts only. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Span IDs of the links. */
  readonly links: readonly string[];
  /** `service.name` of the process. */
  readonly service: string;
}

/** A collector that keeps the spans it receives by OTLP, as HTTP with protobuf. */
export interface Collector extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Everything received, byte for byte. */
  readonly raw: () => string;
  /** Resolves when spans of these names have arrived. The time limit of the test bounds it. */
  until(...names: readonly string[]): Promise<void>;
}

export function startCollector(): Collector {
  const spans: ReceivedSpan[] = [];
  const bodies: Uint8Array[] = [];
  let changed = Promise.withResolvers<void>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = new Uint8Array(await request.arrayBuffer());
      // Deno's exporter also sends metrics and logs.
      if (new URL(request.url).pathname === "/v1/traces") {
        bodies.push(body);
        spans.push(...spansOf(body));
        changed.resolve();
        changed = Promise.withResolvers();
      }
      return new Response(null, { headers: { "Content-Type": "application/x-protobuf" } });
    },
  });
  return {
    url: server.url.origin,
    spans,
    raw: () => bodies.map((body) => new TextDecoder("latin1").decode(body)).join("\n"),
    async until(...names) {
      while (!names.every((name) => spans.some((span) => span.name === name))) await changed.promise;
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

const utf8 = new TextDecoder();

/** Reads an ExportTraceServiceRequest. */
function spansOf(body: Uint8Array): ReceivedSpan[] {
  return fields(body, 1).flatMap((resourceSpans) => {
    const [resource = new Uint8Array()] = fields(resourceSpans, 1);
    const service = attributesOf(resource, 1)["service.name"] ?? "";
    return fields(resourceSpans, 2).flatMap((scopeSpans) =>
      fields(scopeSpans, 2).map((span) => ({
        name: utf8.decode(fields(span, 5)[0]),
        traceId: fields(span, 1)[0]?.toHex() ?? "",
        spanId: fields(span, 2)[0]?.toHex() ?? "",
        parentId: fields(span, 4)[0]?.toHex() ?? "",
        attributes: attributesOf(span, 9),
        links: fields(span, 13).map((link) => fields(link, 2)[0]?.toHex() ?? ""),
        service,
      })),
    );
  });
}

function attributesOf(message: Uint8Array, field: number): Record<string, string> {
  const pairs = fields(message, field).map((pair) => {
    const [key, value = new Uint8Array()] = [fields(pair, 1)[0], fields(pair, 2)[0]];
    return [utf8.decode(key), utf8.decode(fields(value, 1)[0])];
  });
  return Object.fromEntries(pairs);
}

/** Widths of the wire types that have a fixed one. */
const WIDTHS: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Returns the values of a field whose wire type has a length. */
function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const octet = message[at++] ?? 0;
      value += (octet & 127) * factor;
      if (octet < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const type = tag & 7;
    if (type === 0) {
      varint();
      continue;
    }
    const length = type === 2 ? varint() : (WIDTHS[type] ?? message.length);
    if (tag >>> 3 === wanted && type === 2) found.push(message.subarray(at, at + length));
    at += length;
  }
  return found;
}
