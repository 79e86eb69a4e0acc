import type { Tracing, WorkerSpan } from "cloudflare:workers";
import type { Span, SpanStep, Tracer } from "../../telemetry/tracer.ts";

/**
 * Creates the tracer of Cloudflare's own tracing, which the Worker's setting `observability.traces` turns on. Its spans
 * have no links and no status, and the platform does not tell their IDs.
 */
export function createWorkersTracer(): Tracer {
  /** `null` if the runtime has none; `undefined` before the first span. */
  let known: Tracing | null | undefined;
  return {
    async run(name, work) {
      if (known === undefined) known = await findTracing();
      const tracing = known;
      if (tracing === null) return work(null);
      return tracing.enterSpan(name, async (span) => work(span.isTraced ? createSpan(tracing, span) : null));
    },
  };
}

/** Imported when it is needed, because a host app's module may be loaded elsewhere, such as in its tests. */
async function findTracing(): Promise<Tracing | null> {
  try {
    return (await import("cloudflare:workers")).tracing ?? null;
  } catch {
    // Not a Worker.
    return null;
  }
}

function createSpan(tracing: Tracing, span: WorkerSpan): Span {
  return {
    set(attributes) {
      for (const [name, value] of Object.entries(attributes)) span.setAttribute(name, value);
    },
    fail: (errorType) => span.setAttribute("error.type", errorType),
    addSteps(steps) {
      for (const step of steps) tracing.enterSpan(step.name, (child) => describeStep(child, step));
    },
  };
}

/** A span of the platform starts now, so the duration is an attribute. */
function describeStep(span: WorkerSpan, { durationMs, errorType }: SpanStep): void {
  span.setAttribute("sealpost.duration_ms", durationMs);
  if (errorType !== undefined) span.setAttribute("error.type", errorType);
}
