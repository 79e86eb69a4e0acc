import { getLogger } from "@logtape/logtape";
import type { Sampler } from "@opentelemetry/sdk-trace";
import { findOptional } from "../../async/load-optional.ts";
import { VERSION } from "../../version.ts";
import type { ListenOptions } from "./http-server.ts";
import { loadApi, parseTraceparent } from "./open-telemetry.ts";

/** The variables of OpenTelemetry that Sealpost reads itself; its SDK reads others. */
type Variables = Readonly<Record<string, string | undefined>>;

const PACKAGES =
  "@opentelemetry/api @opentelemetry/sdk-trace @opentelemetry/resources @opentelemetry/context-async-hooks @opentelemetry/exporter-trace-otlp-proto";
/** Bound of the last export, so that a collector that is down does not hold up the end of the process. */
const LAST_EXPORT_MS = 1_000;
/** A collector that is down fails every few seconds. */
const REPORT_EVERY_MS = 60_000;

const log = getLogger(["sealpost", "entry"]);

/** An SDK at work. Disposing of it exports the last spans. */
interface SpanExport extends AsyncDisposable {
  /** Returns the same function, whose spans continue the trace that a request names in `traceparent`. */
  continuing(respond: ListenOptions["respond"]): ListenOptions["respond"];
}

/**
 * Registers an SDK of OpenTelemetry that exports spans, if `OTEL_EXPORTER_OTLP_ENDPOINT` says where to and the process
 * has none yet.
 * @returns `null` if nothing is exported.
 */
export async function startSpanExport(env: Variables): Promise<SpanExport | null> {
  if (!isWanted(env)) return null;
  const api = await loadApi();
  if (api !== null && hasProvider(api)) return null;
  const sdk = await loadSdk();
  if (api === null || sdk === null) {
    log.warning("No spans are exported: run npm install {packages}", { packages: PACKAGES });
    return null;
  }
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL;
  if (protocol && protocol !== "http/protobuf")
    log.warning("Spans are exported by http/protobuf, not by {protocol}", { protocol });
  const { BatchSpanProcessor, TracerProvider, OTLPTraceExporter, AsyncLocalStorageContextManager } = sdk;
  api.diag.setLogger(createReporter(), api.DiagLogLevel.ERROR);
  const provider = new TracerProvider({
    resource: resourceOf(sdk),
    sampler: samplerOf(sdk, env),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  api.trace.setGlobalTracerProvider(provider);
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return {
    continuing: (respond) => (request, peer) => {
      const { context, trace } = api;
      const parent = parseTraceparent(request.headers.get("traceparent") ?? "");
      if (parent === null) return respond(request, peer);
      return context.with(trace.setSpanContext(context.active(), parent), () => respond(request, peer));
    },
    async [Symbol.asyncDispose]() {
      const isShut = provider.shutdown().catch(reportFailure);
      await Promise.race([isShut, new Promise((resolve) => setTimeout(resolve, LAST_EXPORT_MS))]);
    },
  };
}

function isWanted(env: Variables): boolean {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const exporter = env.OTEL_TRACES_EXPORTER || "otlp";
  return Boolean(endpoint) && exporter === "otlp" && env.OTEL_SDK_DISABLED?.toLowerCase() !== "true";
}

/** Whether the process has an SDK: one that a module loaded before has registered, or Deno's own. */
function hasProvider({
  trace,
  ProxyTracerProvider,
}: NonNullable<Awaited<ReturnType<typeof loadApi>>>): boolean {
  const provider = trace.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer("sealpost") !== undefined;
}

/** @returns the parts of the SDK; `null` if a package is not installed. */
async function loadSdk() {
  const [sdk, resources, hooks, exporter] = await Promise.all([
    findOptional("@opentelemetry/sdk-trace", () => import("@opentelemetry/sdk-trace")),
    findOptional("@opentelemetry/resources", () => import("@opentelemetry/resources")),
    findOptional("@opentelemetry/context-async-hooks", () => import("@opentelemetry/context-async-hooks")),
    findOptional(
      "@opentelemetry/exporter-trace-otlp-proto",
      () => import("@opentelemetry/exporter-trace-otlp-proto"),
    ),
  ]);
  return sdk && resources && hooks && exporter && { ...sdk, ...resources, ...hooks, ...exporter };
}

type LoadedSdk = NonNullable<Awaited<ReturnType<typeof loadSdk>>>;

/** `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` override what is known. */
function resourceOf({ defaultResource, detectResources, envDetector, resourceFromAttributes }: LoadedSdk) {
  const own = resourceFromAttributes({ "service.name": "sealpost", "service.version": VERSION });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}

/** Reads `OTEL_TRACES_SAMPLER`. Default: every trace, unless its parent is not sampled. */
function samplerOf(sdk: LoadedSdk, env: Variables): Sampler {
  const { AlwaysOnSampler, AlwaysOffSampler, ParentBasedSampler, TraceIdRatioBasedSampler } = sdk;
  const name = env.OTEL_TRACES_SAMPLER || "parentbased_always_on";
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || 1);
  const roots: Readonly<Record<string, () => Sampler>> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const root = roots[name.replace("parentbased_", "")];
  if (root === undefined || !(ratio >= 0 && ratio <= 1)) {
    log.warning("OTEL_TRACES_SAMPLER or its ARG is unknown, so every trace is sampled");
    return new AlwaysOnSampler();
  }
  return name.startsWith("parentbased_") ? new ParentBasedSampler({ root: root() }) : root();
}

/** Creates the logger of the SDK, which reports exports that failed. */
function createReporter() {
  let nextMs = 0;
  const nothing = () => undefined;
  return {
    error(message: string): void {
      if (performance.now() < nextMs) return;
      nextMs = performance.now() + REPORT_EVERY_MS;
      reportFailure(message);
    },
    warn: nothing,
    info: nothing,
    debug: nothing,
    verbose: nothing,
  };
}

function reportFailure(reason: unknown): void {
  log.warning("Cannot export spans: {reason}", {
    reason: reason instanceof Error ? reason.message : String(reason),
  });
}
