import type { Checkpoint, Phase } from "../domain/delivery.ts";
import type { TestDetail } from "../http/smtpserver-test-schema.ts";
import { api, call } from "./api.ts";
import { PHASE_NAMES } from "./i18n/failures.ts";

/** The result of a test or a check. */
export interface TestResult {
  readonly isSuccess: boolean;
  readonly detail: TestDetail;
}

/** One rung of the ladder. */
export interface Step {
  readonly phase: Phase;
  readonly state: "done" | "skipped" | "failed" | "pending";
  /** `null` if the phase took no time of its own. */
  readonly ms: number | null;
}

/** Phases that are shown only if the test spent time in them, or failed there. */
const OCCASIONAL: readonly Phase[] = ["policy", "sign", "encrypt", "oauth", "certificate"];
/** The last phase of each point that a check can end at. */
const LAST_PHASE: Readonly<Record<Checkpoint, Phase>> = {
  oauth: "oauth",
  connect: "ehlo",
  tls: "certificate",
  auth: "auth",
  sender: "sender",
  recipient: "recipient",
};

/** Sends a test message through a stored definition. */
export async function sendTest(name: string, recipient: string): Promise<TestResult> {
  return await run(name, { recipient });
}

/** Checks a stored definition as far as it can be checked without sending. */
export async function checkServer(name: string, recipient: string): Promise<TestResult> {
  return await run(name, recipient === "" ? { until: "sender" } : { recipient, until: "recipient" });
}

async function run(
  name: string,
  json: { readonly recipient?: string; readonly until?: "sender" | "recipient" },
): Promise<TestResult> {
  const param = { identifier: encodeURIComponent(name) };
  const { value, detail } = await call(api.smtpserver[":identifier"].send_test_email.$post({ param, json }));
  if (detail === undefined) throw new TypeError("The response has no detail");
  return { isSuccess: value, detail };
}

/** Returns the rungs of a result: how far it went, and how long each phase took. */
export function stepsOf({ detail: { delivery } }: TestResult): readonly Step[] {
  const names: readonly string[] = PHASE_NAMES;
  const { phase: failed, timing_ms: timing, reached } = delivery;
  const shown = PHASE_NAMES.filter(
    (phase) => !OCCASIONAL.includes(phase) || phase in timing || phase === failed,
  );
  const last = failed ?? (reached === null ? "data" : (LAST_PHASE[reached] ?? "data"));
  const end = names.indexOf(last);
  return shown.map((phase) => {
    const ms = timing[phase] ?? null;
    if (phase === failed) return { phase, state: "failed", ms };
    if (PHASE_NAMES.indexOf(phase) > end) return { phase, state: "pending", ms: null };
    return { phase, state: ms === null ? "skipped" : "done", ms };
  });
}

/** Returns a result as text for a support request. It has no secret: the API removes them from replies. */
export function reportOf(name: string, result: TestResult): string {
  const { delivery, server } = result.detail;
  const { phase, code, reply, hint } = delivery;
  const steps = stepsOf(result).map(
    ({ phase: step, state, ms }) => `  ${step.padEnd(12)}${state}${ms === null ? "" : ` ${ms} ms`}`,
  );
  const lines = [
    `Sealpost test of ${name}, ${new Date().toISOString()}`,
    result.isSuccess ? "Result: success" : `Result: failed in phase ${phase}, code ${code}`,
    reply && `Reply: ${reply.code} ${reply.enhanced ?? ""} ${reply.text}`,
    hint && `Hint: ${hint}`,
    "Phases:",
    ...steps,
    server?.greeting && `Greeting: ${server.greeting}`,
    server && `TLS: ${server.tls?.protocol ?? "none"}`,
    ...(server?.tls?.chain ?? []).map(
      ({ subject, not_after }) => `  ${subject}, until ${not_after ?? "unknown"}`,
    ),
    server && `Extensions: ${[...server.extensions.clear, ...server.extensions.tls].join("; ")}`,
    ...(server?.addresses ?? []).map(({ address, result: end, ms }) => `Address: ${address} ${end} ${ms} ms`),
  ];
  return lines.filter((line) => typeof line === "string" && line !== "").join("\n");
}
