import type { SpanContext } from "@opentelemetry/api";
import { findOptional } from "../../async/load-optional.ts";
import { SealpostError } from "../../errors.ts";
import { NO_TRACER, SPANS, type Span, type Tracer } from "../../telemetry/tracer.ts";
import { VERSION } from "../../version.ts";

type Api = typeof import("@opentelemetry/api");
type ApiSpan = ReturnType<ReturnType<Api["trace"]["getTracer"]>["startSpan"]>;

/** Version, trace ID, span ID and flags (W3C Trace Context 3.2.2). */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const ERROR_TYPE = "error.type";

/**
 * Returns the tracer of the OpenTelemetry SDK that the process has registered, or registers later. Without an SDK, or
 * without the optional package `@opentelemetry/api`, no span is recorded.
 */
export async function loadTracer(): Promise<Tracer> {
  const api = await loadApi();
  return api === null ? NO_TRACER : createTracer(api);
}

/** @returns `null` if the package is not installed. */
export function loadApi(): Promise<Api | null> {
  return findOptional("@opentelemetry/api", () => import("@opentelemetry/api"));
}

function createTracer(api: Api): Tracer {
  const { context, trace, SpanKind } = api;
  const tracer = trace.getTracer("sealpost", VERSION);
  const optionsOf = ({ kind, isRoot }: (typeof SPANS)[keyof typeof SPANS]) => ({
    kind: SpanKind[kind],
    root: isRoot,
  });
  const options = {
    submit: optionsOf(SPANS.submit),
    create: optionsOf(SPANS.create),
    process: optionsOf(SPANS.process),
    deliver: optionsOf(SPANS.deliver),
  };
  return {
    async run(name, work, origin) {
      const created = origin === undefined ? null : parseTraceparent(origin);
      const linked = created && { ...options[name], links: [{ context: created }] };
      const span = tracer.startSpan(name, linked ?? options[name]);
      // Without an SDK. A span that an SDK does not sample is still the parent of those below, which it then leaves out too.
      if (!trace.isSpanContextValid(span.spanContext())) return work(null);
      const inside = trace.setSpan(context.active(), span);
      return context.with(inside, async () => {
        const recorded = span.isRecording() ? createSpan(api, span) : null;
        try {
          return await work(recorded);
        } catch (error) {
          recorded?.fail(errorTypeOf(error));
          throw error;
        } finally {
          span.end();
        }
      });
    },
  };
}

function createSpan(api: Api, span: ApiSpan): Span {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
    set: (attributes) => void span.setAttributes(attributes),
    fail: (errorType) => fail(api, span, errorType),
    addSteps(steps) {
      const { context, trace } = api;
      const parent = trace.setSpan(context.active(), span);
      const tracer = trace.getTracer("sealpost", VERSION);
      let startTime = now() - steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
      for (const { name, durationMs, errorType } of steps) {
        const step = tracer.startSpan(name, { startTime }, parent);
        startTime += durationMs;
        if (errorType !== undefined) fail(api, step, errorType);
        step.end(startTime);
      }
    },
  };
}

/** Milliseconds since the epoch: the SDK has a clock of its own, which no instance can set. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function fail({ SpanStatusCode }: Api, span: ApiSpan, errorType: string): void {
  span.setAttribute(ERROR_TYPE, errorType);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Never the message of an error, which may have an address. */
function errorTypeOf(error: unknown): string {
  if (error instanceof SealpostError) return error.code;
  return error instanceof Error ? error.name : "_OTHER";
}

/** Returns the span that a `traceparent` names; `null` if it names none. */
export function parseTraceparent(text: string): SpanContext | null {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}
