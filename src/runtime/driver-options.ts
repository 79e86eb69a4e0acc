import type { EgressMode } from "../transport/egress.ts";

/** What a host app chooses for its drivers. Each option is the setting of that name, with the same default. */
export interface DriversOptions {
  /** `SEALPOST_DATABASE_URL`: `file:…`, `:memory:`, `libsql://…` or `https://…`; Workers have no files. */
  readonly databaseUrl?: string | undefined;
  /** `SEALPOST_DATABASE_TOKEN`, of a remote database. */
  readonly databaseToken?: string | undefined;
  /** `SEALPOST_KEYS`: `id:base64(32 bytes)`, comma separated. For `file:` by default in a file beside the database. */
  readonly keys?: string | undefined;
  /** `SEALPOST_EHLO_NAME`: the host name that mail servers are told. */
  readonly ehloName?: string | undefined;
  /** `SEALPOST_EGRESS`: whether mail may be sent to private addresses. */
  readonly egress?: EgressMode | undefined;
  /** `SEALPOST_EGRESS_PORTS`; empty: any. */
  readonly egressPorts?: readonly number[] | undefined;
}

/** {@link DriversOptions} of a runtime with files. */
export interface LocalDriversOptions extends DriversOptions {
  /** `SEALPOST_WAKE`: `poll`, or `bullmq` where several machines share the work. */
  readonly wake?: "poll" | "bullmq" | undefined;
  /** `SEALPOST_REDIS_URL`, for `bullmq`: its database is this instance's alone. */
  readonly redisUrl?: string | undefined;
  /** `SEALPOST_TLS_CA`: extra certificate authorities for mail servers, as PEM text or the path of a PEM file. */
  readonly tlsCa?: string | undefined;
}

/** The settings that options are, by their names. */
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
