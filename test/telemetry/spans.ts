import { context, type Span, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { loadTracer } from "../../src/runtime/local/open-telemetry.ts";
import type { Tracer } from "../../src/telemetry/tracer.ts";

/** A real SDK of OpenTelemetry that keeps its spans. */
export interface Recording extends Disposable {
  readonly tracer: Tracer;
  /** The spans that have ended, in this order. */
  spans(): readonly ReadableSpan[];
  /** Each span as `parent > name`, in the order of their end. */
  tree(): readonly string[];
  /** The one span of this name. */
  span(name: string): ReadableSpan;
  /** The spans of this name. */
  all(name: string): readonly ReadableSpan[];
}

/** Registers the SDK for this process, as a host app does, until it is disposed of. */
export async function record(): Promise<Recording> {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const spans = () => exporter.getFinishedSpans();
  const nameOf = (id: string | undefined) =>
    spans().find((one) => one.spanContext().spanId === id)?.name ?? id ?? "";
  const all = (name: string) => spans().filter((one) => one.name === name);
  return {
    tracer: await loadTracer(),
    spans,
    tree: () =>
      spans().map(({ name, parentSpanContext: parent }) =>
        parent === undefined ? name : `${nameOf(parent.spanId)} > ${name}`,
      ),
    all,
    span(name) {
      const [first, second] = all(name);
      if (first === undefined || second !== undefined) throw new Error(`Not one span: ${name}`);
      return first;
    },
    [Symbol.dispose]() {
      trace.disable();
      context.disable();
    },
  };
}

/** Everything of the spans that leaves the process, as one text. */
export function exported(spans: readonly ReadableSpan[]): string {
  return JSON.stringify(
    spans.map(({ name, attributes, events, links, status, resource }) => ({
      ...{ name, attributes, events, status, resource: resource.attributes },
      links: links.map((link) => link.attributes),
    })),
  );
}

/** The ID that a link names. */
export const idOf = (span: Pick<Span, "spanContext">) => span.spanContext().spanId;
