import type { Context } from "hono";
import type { Env } from "../contracts/env.ts";
import type { MailOptions } from "../contracts/mail-options.ts";
import type { PluginContext, SubmitOptions, SubmitOutcome } from "../contracts/plugin.ts";
import type { AuditActor } from "../domain/audit.ts";
import type { Message } from "../domain/message.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import { toDeliveryView } from "../wire/delivery.ts";

/** The definition that is meant where none is named. */
const DEFAULT_SERVER = "default";

/** Mail on somebody's behalf: whose idempotency keys it uses, and what its audit row says. */
export type SubmitAs = (submitter: {
  readonly name: string;
  readonly actor: AuditActor;
}) => (
  server: string | readonly string[],
  message: Message,
  options: MailOptions & { readonly extraStatements?: SubmitOptions["also"] | undefined },
) => Promise<SubmitOutcome>;

/** How a plugin sends mail. */
export function createPluginMail(parts: {
  readonly plugin: string;
  readonly submitAs: SubmitAs;
  readonly actorOf: (c: Context<Env> | null) => AuditActor;
  /** The servers that are configured; empty: none. */
  readonly configured: () => Promise<readonly string[]>;
  /** Whether it is a handler of an event that sends. */
  readonly isHandling: () => boolean;
  readonly serverNames: () => Promise<readonly string[]>;
  readonly findServer: (identifier: string) => Promise<StoredDefinition | null>;
}): PluginContext["mail"] {
  const { plugin, submitAs, actorOf, configured, isHandling, serverNames, findServer } = parts;
  return {
    async submit(server, message, { request, also: extraStatements, ...options } = {}) {
      const named = toNames(server);
      const wanted = named.length > 0 ? named : await configured();
      const servers = wanted.length > 0 ? wanted : [DEFAULT_SERVER];
      // Of the fate of mail that an event has caused nobody is told: it would cause the next.
      const name = `plugin ${plugin}${isHandling() ? CAUSED_BY_EVENT : ""}`;
      const actor = { ...actorOf(request ?? null), action: `plugin ${plugin}` };
      return submitAs({ name, actor })(servers.length === 1 ? servers.join() : servers, message, {
        ...options,
        extraStatements,
      });
    },
    async diagnose(outcome) {
      if (outcome.state === "queued") return null;
      return toDeliveryView(outcome, (await findServer(outcome.identifier)) ?? UNKNOWN_SERVER);
    },
    servers: serverNames,
  };
}

const UNKNOWN_SERVER = { server: "", port: 25, tls: false, username: "" };

const CAUSED_BY_EVENT = " (event)";

/** Whether an event tells of mail that was itself caused by an event. */
export function isOfCausedMail(data: Readonly<Record<string, unknown>>): boolean {
  return typeof data.submitter === "string" && data.submitter.endsWith(CAUSED_BY_EVENT);
}

/** What a config key or an argument names. */
export function toNames(value: unknown): readonly string[] {
  const names = Array.isArray(value) ? value : [value];
  return names.filter((name) => typeof name === "string" && name !== "");
}

/** What a plugin sends through whose config keys say `value`. */
export function serversOf(value: unknown): readonly string[] {
  const names = toNames(value);
  return names.length > 0 ? names : [DEFAULT_SERVER];
}
