import type { Context } from "hono";
import type { Env } from "../contracts/env.ts";
import type { MailOptions, PluginMail, SubmitOptions, SubmitOutcome } from "../contracts/plugin/mail.ts";
import type { Settings } from "../contracts/plugin/settings.ts";
import type { AuditActor } from "../domain/audit.ts";
import type { Message } from "../domain/message.ts";
import type { Encryption } from "../mail/encryption.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import { toDeliveryView } from "../wire/delivery.ts";
import { CAUSED_BY_EVENT, type Events } from "./events.ts";
import { type SettingsService, settingsThat, toNames, usedBy } from "./settings.ts";

const UNKNOWN_SERVER = {
  server: "",
  port: 25,
  tls: false,
  username: "",
  provider: "",
  auth: "password",
} as const;

/** Submits in the name of a submitter: its idempotency keys, and the actor of its audit rows. */
export type SubmitAs = (submitter: {
  readonly name: string;
  readonly actor: AuditActor;
}) => (
  server: string | readonly string[],
  message: Message,
  options: MailOptions & { readonly extraStatements?: SubmitOptions["also"] | undefined },
) => Promise<SubmitOutcome>;

/** Creates the `mail` capability of one plugin. */
export function createPluginMail(deps: {
  readonly plugin: string;
  readonly settings: Settings;
  readonly settingsService: SettingsService;
  readonly submitAs: SubmitAs;
  readonly actorOf: (c: Context<Env> | null) => AuditActor;
  readonly emitter: Events;
  readonly serverNames: () => Promise<readonly string[]>;
  readonly findServer: (identifier: string) => Promise<StoredDefinition | null>;
  readonly encryption: Pick<Encryption, "assertUsable">;
}): PluginMail {
  const { plugin, settingsService, submitAs, actorOf, emitter, serverNames, findServer } = deps;
  const { assertUsable } = deps.encryption;
  const [serverSetting] = settingsThat("namesServer", deps.settings);

  async function configuredServers(): Promise<readonly string[]> {
    if (serverSetting === undefined) return usedBy("");
    return usedBy((await settingsService.read([serverSetting])).get(serverSetting));
  }

  return {
    async submit(server, message, { request, also: extraStatements, ...options } = {}) {
      const named = toNames(server);
      const servers = named.length > 0 ? named : await configuredServers();
      // Mark mail that an event handler submits: its outcome must not trigger more events.
      const name = `plugin ${plugin}${emitter.isHandling() ? CAUSED_BY_EVENT : ""}`;
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
    assertCertificate: (address, pem) => assertUsable({ [address]: pem }, "certificate"),
    servers: serverNames,
  };
}
