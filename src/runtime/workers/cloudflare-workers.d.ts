/** The part of Cloudflare's own module that Sealpost uses. */
declare module "cloudflare:workers" {
  /** The bindings, the same that every invocation receives. */
  export const env: Readonly<Record<string, unknown>>;
  /** Keeps the current invocation alive until this promise settles. */
  export function waitUntil(promise: Promise<unknown>): void;

  /** A span of the platform. */
  export interface WorkerSpan {
    /** Whether the span is recorded. */
    readonly isTraced: boolean;
    setAttribute(name: string, value: string | number | boolean): void;
  }
  export interface Tracing {
    /** Calls back in a span, which ends when the result has settled. */
    enterSpan<T>(name: string, work: (span: WorkerSpan) => T): T;
  }
  /** Absent from older runtimes. */
  export const tracing: Tracing | undefined;
}
