import * as v from "valibot";
import type { SubmitOutcome } from "../contracts/plugin/mail.ts";
import { CHECKPOINTS, type Failure, type Receipt, type ServerReport } from "../domain/delivery.ts";
import { parseEndpoint } from "../domain/endpoint.ts";
import type { FurtherInput, ServerDefinition } from "../domain/smtp-server.ts";
import type { HintContext } from "../mail/hints/rule.ts";
import { described, named } from "./schemas.ts";

/** A reply of the mail server. */
export const replyView = named(
  "Reply",
  v.object({
    code: v.number(),
    enhanced: v.nullable(v.string()),
    text: v.string(),
  }),
);

/** The one parameter whose change fixes a failure. */
export const remedyView = named(
  "Remedy",
  v.object({
    parameter: v.string(),
    value: described(
      v.nullable(v.union([v.string(), v.number(), v.boolean()])),
      "`null` where only you know the value",
    ),
  }),
);

const oauthReportView = named(
  "OAuthReport",
  v.object({
    host: v.string(),
    status: described(v.nullable(v.number()), "HTTP status. `null` without a response"),
    error: described(v.nullable(v.string()), "`error` of RFC 6749"),
    codes: described(v.array(v.string()), "Codes of the provider, such as `AADSTS7000215`"),
    description: v.nullable(v.string()),
    trace_id: v.nullable(v.string()),
    correlation_id: v.nullable(v.string()),
    clock_skew_seconds: described(
      v.nullable(v.number()),
      "Clock of the token endpoint minus that of this machine. `null` if unknown",
    ),
  }),
);

/** Sentences for people, by code. */
export const codedSentences = v.array(
  named(
    "CodedSentence",
    v.object({
      code: described(v.string(), "Stable"),
      values: described(v.record(v.string(), v.string()), "Values in the sentence, by name"),
    }),
  ),
);

/** `detail.delivery`: how a message was sent, or why it was not. */
export const deliveryView = named(
  "Delivery",
  v.object({
    phase: v.nullable(v.string()),
    code: v.nullable(v.string()),
    retryable: v.boolean(),
    outcome: described(
      v.nullable(v.picklist(["sent", "not-sent", "unknown"])),
      "`not-sent` for a check. `null` if the message is queued",
    ),
    reply: v.nullable(replyView),
    oauth: v.optional(described(oauthReportView, "Report of the token endpoint. Absent unless it failed")),
    challenge: v.optional(
      described(
        v.record(v.string(), v.string()),
        "The server's report about a rejected access token (RFC 7628). Absent if there is none",
      ),
    ),
    hint: v.nullable(v.string()),
    hints: described(codedSentences, "The sentences of `hint` by code, for programs and translations"),
    remedy: v.optional(remedyView),
    timing_ms: v.record(v.string(), v.number()),
    tls: v.nullable(
      v.object({
        protocol: v.nullable(v.string()),
        peer: v.nullable(v.string()),
        days_left: v.nullable(v.number()),
      }),
    ),
    accepted: v.array(v.string()),
    rejected: v.array(
      v.object({ recipient: v.string(), reply: v.nullable(replyView), retryable: v.boolean() }),
    ),
    round_trips: described(
      v.nullable(v.number()),
      "Waits for a reply, and one each for TCP and TLS. The largest number of several recipients. `null` if the message is queued",
    ),
    reached: described(v.nullable(v.picklist(CHECKPOINTS)), "The point that a check reached"),
  }),
);
export type DeliveryView = v.InferOutput<typeof deliveryView>;

/** The outcome of a message that is not queued. */
type FinalOutcome = Exclude<SubmitOutcome, { readonly state: "queued" }>;

/** The fields of a definition that hints refer to. */
export type HintedDefinition = Pick<
  ServerDefinition,
  "server" | "port" | "tls" | "username" | "provider" | "auth"
> &
  Pick<FurtherInput, "tlsCertificate" | "pipelining" | "authMechanism">;

/**
 * Returns `detail.delivery`: what happened to a message, and what to change.
 * @param input the definition
 */
export async function toDeliveryView(result: FinalOutcome, input: HintedDefinition): Promise<DeliveryView> {
  const failure = result.state === "failed" ? result.failure : null;
  const receipt = result.recipients[0]?.receipt;
  const reply = receipt?.successful ? receipt.reply : (failure?.reply ?? null);
  const endpoint = parseEndpoint(input) ?? {
    host: input.server,
    port: input.port,
    security: "none" as const,
  };
  const context = { ...input, ...endpoint, reply, seen: receipt?.seen };
  const hint = failure && (await hintOf(failure, context));
  return {
    phase: failure?.phase ?? null,
    code: failure?.code ?? null,
    retryable: failure?.retryable ?? false,
    ...failureDetail(failure),
    outcome: failure?.outcome ?? "sent",
    reply,
    hint: hint?.text ?? null,
    hints: (hint?.sentences ?? []).map(({ code, values }) => ({ code, values: { ...values } })),
    ...(hint?.remedy ? { remedy: hint.remedy } : {}),
    timing_ms: roundedMs(receipt?.timingMs ?? {}),
    tls: tlsView(receipt?.tls ?? null),
    accepted: result.recipients.filter((one) => one.receipt.successful).map((one) => one.recipient),
    rejected: rejectedOf(result),
    round_trips: Math.max(0, ...result.recipients.map((one) => one.receipt.roundTrips)),
    reached: receipt?.successful ? receipt.reached : null,
  };
}

async function hintOf(failure: Failure, context: HintContext) {
  // Only failures need the table, so a Worker loads it on demand.
  const { hintFor } = await import("../mail/hints/hint-for.ts");
  return hintFor(failure, context);
}

/** Returns what the token endpoint, or the server about a token, has reported. */
function failureDetail(failure: Failure | null): Pick<DeliveryView, "oauth" | "challenge"> {
  const { oauth, challenge } = failure ?? {};
  return {
    ...(challenge && { challenge: { ...challenge } }),
    ...(oauth && {
      oauth: {
        host: oauth.host,
        status: oauth.status,
        error: oauth.error,
        codes: [...oauth.codes],
        description: oauth.description,
        trace_id: oauth.traceId,
        correlation_id: oauth.correlationId,
        clock_skew_seconds: oauth.clockSkewSeconds,
      },
    }),
  };
}

function tlsView(tls: { protocol: string | null; peer: string | null; daysLeft: number | null } | null) {
  return tls && { protocol: tls.protocol, peer: tls.peer, days_left: tls.daysLeft };
}

function rejectedOf(result: FinalOutcome): DeliveryView["rejected"] {
  return result.recipients.flatMap(({ recipient, receipt }) => {
    if (receipt.successful) return [];
    const { reply, retryable } = receipt.failure;
    return [{ recipient, reply, retryable }];
  });
}

/** Rounds durations to tenths of a millisecond. */
export function roundedMs(timing: Readonly<Partial<Record<string, number>>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(timing).map(([phase, ms = 0]) => [phase, Math.round(ms * 10) / 10]),
  );
}

/** `detail.server`: what the conversation revealed about the server. */
export const serverReportView = named(
  "ServerReport",
  v.object({
    greeting: described(v.nullable(v.string()), "Text of the greeting"),
    extensions: described(
      v.object({ clear: v.array(v.string()), tls: v.array(v.string()) }),
      "Lines of the replies to EHLO, before TLS and under it",
    ),
    mechanisms: described(v.array(v.string()), "SASL mechanisms"),
    size: described(
      v.nullable(v.number()),
      "Largest message in octets. `null` if the server declares no limit",
    ),
    tls: described(
      v.nullable(
        v.object({
          protocol: v.nullable(v.string()),
          chain: described(
            v.array(v.object({ subject: v.string(), issuer: v.string(), not_after: v.nullable(v.string()) })),
            "Leaf first. Empty if the runtime does not show it",
          ),
          days_left: v.nullable(v.number()),
        }),
      ),
      "`null` without TLS",
    ),
    addresses: described(
      v.nullable(v.array(v.object({ address: v.string(), result: v.string(), ms: v.number() }))),
      "Dialed addresses, with `connected` or the reason why not. `null` if the connection was already open, or if the platform dials",
    ),
  }),
);
type ServerReportView = v.InferOutput<typeof serverReportView>;

/** Returns `undefined` if the server was not contacted. A denied target reveals nothing. */
export function toServerReportView(receipt: Receipt | undefined): ServerReportView | undefined {
  if (receipt === undefined || !isContacted(receipt)) return undefined;
  const { seen } = receipt;
  return {
    greeting: seen.greeting,
    extensions: { clear: [...seen.extensions.clear], tls: [...seen.extensions.tls] },
    mechanisms: [...seen.mechanisms],
    size: seen.sizeOctets,
    tls: tlsReport(receipt),
    addresses: addressesView(seen.addresses),
  };
}

function isContacted(receipt: Receipt): boolean {
  if (receipt.successful) return true;
  const { phase, code } = receipt.failure;
  return phase !== "policy" && code !== "sender_missing";
}

/** Includes a rejected certificate, whose chain shows the reason. */
function tlsReport({ tls, seen: { chain } }: Receipt): ServerReportView["tls"] {
  if (tls === null && chain === null) return null;
  return {
    protocol: tls?.protocol ?? null,
    chain: (chain ?? []).map(({ subject, issuer, notAfter }) => ({
      subject,
      issuer,
      not_after: notAfter?.toISOString() ?? null,
    })),
    days_left: tls?.daysLeft ?? null,
  };
}

function addressesView(addresses: ServerReport["addresses"]): ServerReportView["addresses"] {
  if (addresses === null) return null;
  return addresses
    .filter(({ result }) => result !== "egress_denied")
    .map(({ address, result, ms }) => ({ address, result, ms: Math.round(ms * 10) / 10 }));
}
