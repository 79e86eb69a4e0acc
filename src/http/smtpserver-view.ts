import { CENSORED } from "../domain/secret.ts";
import type { FurtherFields } from "../domain/smtp-server.ts";
import type { ServerHealth } from "../mail/circuit.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import type { DefinitionDetail, DefinitionView } from "./smtpserver-schema.ts";

/** A definition as GET shows it. Key and passphrase never leave; the password only if `reveal`. */
export function toDefinitionView(server: StoredDefinition, reveal: boolean): DefinitionView {
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
    private_key: censored(server.isSet.privateKey),
    private_key_password: censored(server.isSet.privateKeyPassword),
    certificate,
  };
}

/** The health of its server and queue, and the further fields. */
export function toDefinitionDetail(
  { maxConnections, mailsPerMinute, pipelining, authMechanism }: FurtherFields,
  { circuit, failures, since, nextTry, lastFailure, waiting }: ServerHealth,
): DefinitionDetail {
  const last_failure = lastFailure && { ...lastFailure, date: lastFailure.date.toISOString() };
  return {
    health: {
      ...{ circuit, failures, last_failure, waiting },
      since: since?.toISOString() ?? null,
      next_try: nextTry?.toISOString() ?? null,
    },
    limits: { max_connections: maxConnections, mails_per_minute: mailsPerMinute },
    transport: { pipelining, auth_mechanism: authMechanism },
  };
}

function shownPassword({ password, isSet }: StoredDefinition, reveal: boolean): string {
  return reveal && password ? password.reveal() : censored(isSet.password);
}

function censored(isSet: boolean): string {
  return isSet ? CENSORED : "";
}
