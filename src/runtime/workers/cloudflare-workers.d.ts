/** The part of Cloudflare's own module that Sealpost uses. */
declare module "cloudflare:workers" {
  /** The bindings, the same that every invocation receives. */
  export const env: Readonly<Record<string, unknown>>;
  /** Keeps the current invocation alive until this promise settles. */
  export function waitUntil(promise: Promise<unknown>): void;

  type Storage = Parameters<typeof import("../../storage/durable/connect.ts").openObjectDatabase>[0];
  /** An object that is alone with its storage. */
  export abstract class DurableObject {
    constructor(ctx: DurableObject["ctx"], bindings: unknown);
    protected readonly ctx: {
      readonly storage: Storage & {
        /** Replaces the alarm. Part of the transaction in which it is called. */
        setAlarm(at: number): Promise<void>;
        /** `null` if no alarm is set, or while it runs. */
        getAlarm(): Promise<number | null>;
        get<T>(name: string): Promise<T | undefined>;
        put(name: string, value: unknown): Promise<void>;
      };
      waitUntil(promise: Promise<unknown>): void;
      /** Runs work while the object receives no event. An exception ends the object. */
      blockConcurrencyWhile<T>(work: () => Promise<T>): Promise<T>;
    };
  }

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
