import type { Config } from "../config.ts";
import type { EgressMode } from "../domain/network.ts";
import type { SealpostOptions } from "../sealpost.ts";

/** Options of a host app's drivers. Each has the meaning and the default of the environment variable named there. */
export interface DriversOptions {
  /** `SEALPOST_DATABASE_URL`: `file:…`, `:memory:`, `libsql://…` or `https://…`; Workers have no files. */
  readonly databaseUrl?: string | undefined;
  /** `SEALPOST_DATABASE_TOKEN`, of a remote database. */
  readonly databaseToken?: string | undefined;
  /** `SEALPOST_KEYS`: `id:base64(32 bytes)`, comma-separated. Default for `file:`: a key file next to the database. */
  readonly keys?: string | undefined;
  /** `SEALPOST_EHLO_NAME`: the host name sent in EHLO. */
  readonly ehloName?: string | undefined;
  /** `SEALPOST_EGRESS`: whether mail may go to private addresses. */
  readonly egress?: EgressMode | undefined;
  /** `SEALPOST_EGRESS_PORTS`: the ports that mail may go to. If empty, any. */
  readonly egressPorts?: readonly number[] | undefined;
}

/** {@link DriversOptions} of a runtime with files. */
export interface LocalDriversOptions extends DriversOptions {
  /** `SEALPOST_WAKE`: `poll`, or `bullmq` where several machines share the work. */
  readonly wake?: "poll" | "bullmq" | undefined;
  /** `SEALPOST_REDIS_URL`, for `bullmq`: a Redis database that only this instance uses. */
  readonly redisUrl?: string | undefined;
  /** `SEALPOST_TLS_CA`: extra certificate authorities for mail servers, as PEM text or the path of a PEM file. */
  readonly tlsCa?: string | undefined;
}

/** Maps driver options to the settings of the same meaning. */
export function settingsOf(options: LocalDriversOptions): Record<string, string> {
  const settings = {
    SEALPOST_DATABASE_URL: options.databaseUrl,
    SEALPOST_DATABASE_TOKEN: options.databaseToken,
    SEALPOST_KEYS: options.keys,
    SEALPOST_EHLO_NAME: options.ehloName,
    SEALPOST_EGRESS: options.egress,
    SEALPOST_EGRESS_PORTS: options.egressPorts?.join(","),
    SEALPOST_TLS_CA: options.tlsCa,
    SEALPOST_WAKE: options.wake,
    SEALPOST_REDIS_URL: options.redisUrl,
  };
  const given = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return Object.fromEntries(given);
}

/** Maps the settings to the options of `createSealpost` that no driver brings. */
export function sealpostOptionsOf(config: Config) {
  const { tokenSeconds, auditDays, mailDays, baseUrl, trustedProxies, trustedClients } = config;
  return {
    tokenSeconds,
    auditDays,
    mailDays,
    baseUrl,
    trustedProxies,
    trustedClients,
    revealSecrets: config.secrets === "reveal",
    needsAdmin: true,
  } satisfies Partial<SealpostOptions>;
}
