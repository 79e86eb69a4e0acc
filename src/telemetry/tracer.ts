/** The spans of OpenTelemetry, with their kind. A root span belongs to no other, but may be linked to one. */
export const SPANS = {
  /** A message from its submission to the result for the caller. */
  submit: { kind: "INTERNAL", isRoot: false },
  /** A message is built and becomes ready to be queued. */
  create: { kind: "PRODUCER", isRoot: false },
  /** One attempt of a queued message. The wake that led to it may be another message's. */
  process: { kind: "CONSUMER", isRoot: true },
  /** A message to its recipients through one mail server. */
  deliver: { kind: "CLIENT", isRoot: false },
} as const;
type SpanName = keyof typeof SPANS;

/** Values of a span. None may be, or have, a mail address, a subject, a body, a secret or a code of a user. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A part of a span that has ended. */
export interface SpanStep {
  readonly name: string;
  readonly durationMs: number;
  /** Stable code of the failure. Absent for a step that succeeded. */
  readonly errorType?: string;
}

/** A span that is recorded, while its work is under way. */
export interface Span {
  /** Names the span in a link (W3C Trace Context, `traceparent`). Absent where the platform does not tell. */
  readonly traceparent?: string;
  set(attributes: Attributes): void;
  /** Marks the span as failed. @param errorType a stable code. */
  fail(errorType: string): void;
  /** Adds children, one after another, of which the last ends now. */
  addSteps(steps: readonly SpanStep[]): void;
}

/** Records what this process does, for OpenTelemetry. */
export interface Tracer {
  /**
   * Runs work in a span, which ends with the work. An error of the work marks it as failed.
   * @param work gets `null` if the span is not recorded, so that its attributes cost nothing.
   * @param origin `traceparent` of the span that a root span is linked to.
   */
  run<T>(name: SpanName, work: (span: Span | null) => Promise<T>, origin?: string): Promise<T>;
}

/** Where no library records spans. */
export const NO_TRACER: Tracer = { run: (_, work) => work(null) };
