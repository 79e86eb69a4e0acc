/** One metric by its description. Every series of it has all of its labels. */
export interface Metric {
  readonly type: "counter" | "gauge" | "histogram";
  /** Names the unit. */
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, ascending, without +Inf. */
  readonly buckets?: readonly number[];
  /** How the gauges of definitions that share the label `other` become one. Default: their sum. */
  readonly merge?: "max" | "min";
}

/** Sealpost responds within milliseconds, and hashes a password in tens of them. */
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A phase is a round trip or two; a server may delay its greeting or the final reply by minutes. */
const DELIVERY_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const SIGN_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1];
/** A warm, pipelined transaction takes 2, and a cold one with STARTTLS and AUTH up to 12. */
const ROUND_TRIPS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/** Every metric of `GET /metrics`, in the order of the response. Names and labels are stable. */
export const METRICS = {
  sealpost_info: { type: "gauge", help: "Always 1", labels: ["version", "runtime"] },
  sealpost_mails_total: {
    type: "counter",
    help: "Attempts to send to one recipient, by their result",
    labels: ["server", "result", "mode"],
  },
  sealpost_mail_duration_seconds: {
    type: "histogram",
    help: "Time of a delivery to one recipient in all its phases, in seconds",
    labels: ["server"],
    buckets: DELIVERY_SECONDS,
  },
  sealpost_phase_duration_seconds: {
    type: "histogram",
    help: "Time of a delivery in one phase, in seconds",
    labels: ["server", "phase"],
    buckets: DELIVERY_SECONDS,
  },
  sealpost_phase_failures_total: {
    type: "counter",
    help: "Failures of deliveries and signatures, by phase and failure code",
    labels: ["server", "phase", "code"],
  },
  sealpost_connections_total: {
    type: "counter",
    help: "Deliveries on a new connection (cold) or on one that was open (warm)",
    labels: ["server", "kind"],
  },
  sealpost_connections_open: {
    type: "gauge",
    help: "Connections to the mail server, in use or idle",
    labels: ["server"],
  },
  sealpost_round_trips: {
    type: "histogram",
    help: "Waits for a reply in a delivery, plus one each for TCP and TLS",
    labels: ["server"],
    buckets: ROUND_TRIPS,
  },
  sealpost_queue_mails: {
    type: "gauge",
    help: "Queued messages that are not final",
    labels: ["server", "state"],
  },
  sealpost_queue_oldest_seconds: {
    type: "gauge",
    help: "Age of the oldest queued message that is not final, in seconds",
    labels: ["server"],
    merge: "max",
  },
  sealpost_circuit_state: {
    type: "gauge",
    help: "Circuit breaker of the definition: 0 closed, 1 half-open, 2 open",
    labels: ["server"],
    merge: "max",
  },
  sealpost_sign_duration_seconds: {
    type: "histogram",
    help: "Time to sign one message, in seconds",
    labels: ["algorithm"],
    buckets: SIGN_SECONDS,
  },
  sealpost_certificate_not_after_seconds: {
    type: "gauge",
    help: "First end of the certificates that the definition uses, in seconds since the Unix epoch",
    labels: ["server"],
    merge: "min",
  },
  sealpost_oauth_token_requests_total: {
    type: "counter",
    help: "Requests for access tokens by result: ok, or the failure code",
    labels: ["server", "result"],
  },
  sealpost_oauth_token_expiry_seconds: {
    type: "gauge",
    help: "End of the current access token, in seconds since the Unix epoch",
    labels: ["server"],
    merge: "min",
  },
  sealpost_http_request_duration_seconds: {
    type: "histogram",
    help: "Time from the request to its response, in seconds",
    labels: ["method", "route", "status"],
    buckets: REQUEST_SECONDS,
  },
  sealpost_login_total: {
    type: "counter",
    help: "Logins of admins by result: ok, or the error code",
    labels: ["result"],
  },
  sealpost_hashes_waiting: { type: "gauge", help: "Password hashes that wait for their turn", labels: [] },
  sealpost_audit_total: {
    type: "counter",
    help: "Events for the audit log",
    labels: ["action", "success"],
  },
  sealpost_db_busy_total: {
    type: "counter",
    help: "Operations that found the database locked by another process",
    labels: [],
  },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;
type NameOf<Type extends Metric["type"]> = {
  [N in MetricName]: (typeof METRICS)[N]["type"] extends Type ? N : never;
}[MetricName];
export type CounterName = NameOf<"counter">;
export type HistogramName = NameOf<"histogram">;

/** The labels of a metric, each with its value. */
export type LabelsOf<N extends MetricName> = Readonly<Record<(typeof METRICS)[N]["labels"][number], string>>;
