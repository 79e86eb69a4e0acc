import { parseEndpoint } from "../domain/endpoint.ts";
import type { SmtpServerFields } from "../domain/smtp-server.ts";
import type { ServerHealth } from "../mail/circuit.ts";
import { hintFor } from "../mail/hints.ts";
import { CENSORED } from "../mail/save-server.ts";
import type { ServerView } from "../mail/servers.ts";
import type { SubmitResult } from "../mail/submit.ts";
import type { DefinitionDetail, DefinitionView, DeliveryView } from "./smtpserver-schema.ts";

/** A definition as GET shows it. Key and passphrase never leave; the password only if `reveal`. */
export function toDefinitionView(server: ServerView, reveal: boolean): DefinitionView {
  const { port, username, sender, tls, timeout, description, smime, certificate } = server;
  return {
    server: server.server,
    port,
    username,
    password: shownPassword(server, reveal),
    sender,
    tls,
    timeout,
    enqueue_job: server.enqueueJob,
    description,
    smime,
    dont_send_on_error: server.dontSendOnError,
    private_key: censored(server.hasPrivateKey),
    private_key_password: censored(server.hasPrivateKeyPassword),
    certificate,
  };
}

/** How its server and its queue are, and what limits them. */
export function toDefinitionDetail(
  { maxConnections, mailsPerMinute }: Pick<ServerView, "maxConnections" | "mailsPerMinute">,
  { circuit, failures, since, nextTry, lastFailure }: ServerHealth,
  waiting: number,
): DefinitionDetail {
  const last_failure = lastFailure && { ...lastFailure, date: lastFailure.date.toISOString() };
  return {
    health: {
      ...{ circuit, failures, last_failure, waiting },
      since: since?.toISOString() ?? null,
      next_try: nextTry?.toISOString() ?? null,
    },
    limits: { max_connections: maxConnections, mails_per_minute: mailsPerMinute },
  };
}

function shownPassword({ password, hasPassword }: ServerView, reveal: boolean): string {
  return reveal && password ? password.reveal() : censored(hasPassword);
}

function censored(isSet: boolean): string {
  return isSet ? CENSORED : "";
}

/** `detail.delivery`: what happened to a test mail, and what to change. */
export function toDeliveryView(
  result: Exclude<SubmitResult, { readonly state: "queued" }>,
  input: Pick<SmtpServerFields, "server" | "port" | "tls" | "username">,
): DeliveryView {
  const failure = result.state === "failed" ? result.failure : null;
  const receipt = result.recipients[0]?.receipt;
  const reply = receipt?.successful ? receipt.reply : (failure?.reply ?? null);
  const endpoint = parseEndpoint(input) ?? {
    host: input.server,
    port: input.port,
    security: "none" as const,
  };
  const context = { ...endpoint, username: input.username, reply };
  return {
    phase: failure?.phase ?? null,
    code: failure?.code ?? null,
    retryable: failure?.retryable ?? false,
    outcome: failure?.outcome ?? "sent",
    reply,
    hint: failure ? hintFor(failure, context) : null,
    timing_ms: roundedMs(receipt?.timingMs ?? {}),
    tls: tlsView(receipt?.tls ?? null),
    accepted: result.recipients.filter((one) => one.receipt.successful).map((one) => one.recipient),
    rejected: rejectedOf(result),
  };
}

function tlsView(tls: { protocol: string | null; peer: string | null; daysLeft: number | null } | null) {
  return tls && { protocol: tls.protocol, peer: tls.peer, days_left: tls.daysLeft };
}

function rejectedOf(result: Parameters<typeof toDeliveryView>[0]): DeliveryView["rejected"] {
  return result.recipients.flatMap(({ recipient, receipt }) => {
    if (receipt.successful) return [];
    const { reply, retryable } = receipt.failure;
    return [{ recipient, reply, retryable }];
  });
}

/** Times as they are shown: in tenths of a millisecond. */
export function roundedMs(timing: Readonly<Partial<Record<string, number>>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(timing).map(([phase, ms = 0]) => [phase, Math.round(ms * 10) / 10]),
  );
}
