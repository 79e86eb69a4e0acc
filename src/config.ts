import * as v from "valibot";
import { suggestion } from "./domain/nearest.ts";
import { asciiHostName, parseCidr } from "./domain/network.ts";
import { Secret } from "./domain/secret.ts";
import { SealpostError } from "./errors.ts";

/** One row of the settings table. */
interface Setting<T> {
  /** Name of the environment variable. */
  readonly name: string;
  /** Used when the variable is absent or empty, in the form of the variable. */
  readonly fallback: string;
  /** Whether the value is a secret, which no message shows, not even if it is invalid. */
  readonly secret: boolean;
  readonly meaning: string;
  readonly schema: v.GenericSchema<string, T>;
}

function setting<T>(
  name: string,
  fallback: string,
  schema: v.GenericSchema<string, T>,
  meaning: string,
  options: { readonly secret?: boolean } = {},
): Setting<T> {
  return { name, fallback, schema, meaning, secret: options.secret ?? false };
}

const text = v.string();
const required = v.pipe(text, v.nonEmpty("expected a text"));
const name = v.pipe(
  required,
  v.maxLength(255, "expected at most 255 characters"),
  v.check((value) => !/\p{Cc}/u.test(value), "expected a name without control characters"),
);
const secret = v.pipe(
  text,
  v.transform((value) => new Secret(value)),
);
const wholeNumber = (lowest: number, highest: number) =>
  v.pipe(
    text,
    v.regex(/^\d{1,9}$/, `expected a whole number from ${lowest} to ${highest}`),
    v.transform(Number),
    v.minValue(lowest, `expected a whole number from ${lowest} to ${highest}`),
    v.maxValue(highest, `expected a whole number from ${lowest} to ${highest}`),
  );
const oneOf = <const T extends readonly string[]>(...values: T) =>
  v.picklist(values, `expected ${values.join(" or ")}`);
const list = v.pipe(
  text,
  v.transform((value) =>
    value
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  ),
);
const ports = v.pipe(
  list,
  v.array(wholeNumber(1, 65_535), "expected port numbers, comma-separated"),
  v.readonly(),
);
const cidrBlocks = v.pipe(
  list,
  v.check(
    (items) => items.every((item) => parseCidr(item) !== null),
    "expected IP addresses or CIDR blocks, comma-separated",
  ),
  v.readonly(),
);

function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && !/[?#]/.test(text) && url.username === "";
}

/** RFC 5321 4.1.1.1: a domain, here with A-labels, or an address literal. No underscore: many servers reject it. */
function ehloNameOf(text: string): string | null {
  if (/^\[[0-9a-f.:IPv]+\]$/i.test(text)) return text;
  return text.includes("_") ? null : asciiHostName(text);
}

/** Every setting: name, default, meaning. A test compares them with the table of the README. */
export const SETTINGS = {
  host: setting("HOST", "127.0.0.1", required, "Listen address"),
  port: setting("PORT", "8080", wholeNumber(0, 65_535), "Listen port; 0 takes a free one"),
  databaseUrl: setting(
    "SEALPOST_DATABASE_URL",
    "file:data/sealpost.db",
    v.pipe(
      text,
      v.regex(
        /^(file:|https?:\/\/|libsql:\/\/|:memory:$)/,
        "expected file:<path>, :memory:, libsql://…, https://… or http://…",
      ),
    ),
    "libSQL URL",
    // It may carry a token.
    { secret: true },
  ),
  databaseToken: setting("SEALPOST_DATABASE_TOKEN", "", secret, "Token of a remote database", {
    secret: true,
  }),
  keys: setting(
    "SEALPOST_KEYS",
    "",
    secret,
    "Encryption keys as `id:base64(32 bytes)`, separated by commas or line breaks. The first encrypts, all decrypt. For `file:` databases the first start creates one in `sealpost.keys` next to the database",
    { secret: true },
  ),
  adminUser: setting("SEALPOST_ADMIN_USER", "admin", name, "Name of the first admin"),
  adminPassword: setting(
    "SEALPOST_ADMIN_PASSWORD",
    "",
    secret,
    "Password of the first admin; if empty, a random one is printed once",
    { secret: true },
  ),
  secrets: setting(
    "SEALPOST_SECRETS",
    "reveal",
    oneOf("reveal", "censor"),
    "`reveal`: GET returns `password` decrypted; `censor`: `__CENSORED__`",
  ),
  transport: setting(
    "SEALPOST_TRANSPORT",
    "smtp",
    oneOf("smtp", "worker-mailer"),
    "Transport driver; `worker-mailer` only on Workers, where the build needs the same setting",
  ),
  wake: setting(
    "SEALPOST_WAKE",
    "poll",
    oneOf("poll", "bullmq", "cloudflare"),
    "Notification of workers about queued mail. `poll`: immediate in the same process, each second in others; `bullmq`: by Redis; `cloudflare`: by Queues, only on Workers with a libSQL server",
  ),
  pool: setting(
    "SEALPOST_POOL",
    "invocation",
    oneOf("invocation", "object"),
    "Connections to mail servers of a Worker with a libSQL server. `invocation`: as long as a request; `object`: kept in a Durable Object for the next message. No effect elsewhere, where they are always kept",
  ),
  redisUrl: setting(
    "SEALPOST_REDIS_URL",
    "redis://127.0.0.1:6379/0",
    v.pipe(
      text,
      v.check(
        (value) => /^rediss?:\/\//.test(value) && URL.canParse(value),
        "expected redis://… or rediss://…",
      ),
      v.transform((value) => new Secret(value)),
    ),
    "Redis for `bullmq`: a Redis database that only this instance uses",
    // It may hold a password.
    { secret: true },
  ),
  tokenSeconds: setting(
    "SEALPOST_TOKEN_SECONDS",
    "3600",
    wholeNumber(60, 604_800),
    "Lifetime of an admin token, in seconds",
  ),
  tlsCa: setting(
    "SEALPOST_TLS_CA",
    "",
    text,
    "PEM file (or PEM text) of certificate authorities to trust in addition to the usual roots, for mail servers and HTTPS requests",
  ),
  ehloName: setting(
    "SEALPOST_EHLO_NAME",
    "",
    v.pipe(
      text,
      v.check((value) => value === "" || ehloNameOf(value) !== null, "expected a host name or [address]"),
      v.transform((value) => ehloNameOf(value) ?? ""),
    ),
    "Name sent in EHLO. If empty: the host name if it has a dot, else `[address]`",
  ),
  egress: setting(
    "SEALPOST_EGRESS",
    "private",
    oneOf("private", "public"),
    "Addresses that mail and requests for tokens may go to. `private`: all except link-local, cloud metadata, multicast and unspecified ones; `public`: also no private and loopback ones",
  ),
  egressPorts: setting(
    "SEALPOST_EGRESS_PORTS",
    "",
    ports,
    "Ports that mail and requests for tokens may go to, comma-separated. If empty, any. HTTPS may always use 443",
  ),
  trustedProxies: setting(
    "SEALPOST_TRUSTED_PROXIES",
    "",
    cidrBlocks,
    "Proxies whose `X-Forwarded-For` is trusted: IP addresses or CIDR blocks",
  ),
  trustedClients: setting(
    "SEALPOST_TRUSTED_CLIENTS",
    "",
    cidrBlocks,
    "Clients exempt from the plugins' per-address rate limits, such as a RADIUS server: IP addresses or CIDR blocks",
  ),
  baseUrl: setting(
    "SEALPOST_BASE_URL",
    "",
    v.pipe(
      text,
      v.check((value) => value === "" || isWebAddress(value), "expected https://… without query or fragment"),
    ),
    "Public URL of this server, for links in messages and for sign-ins with OAuth; never taken from a request",
  ),
  auditDays: setting(
    "SEALPOST_AUDIT_DAYS",
    "365",
    wholeNumber(1, 36_500),
    "Retention of audit rows, in days",
  ),
  mailDays: setting(
    "SEALPOST_MAIL_DAYS",
    "30",
    wholeNumber(1, 36_500),
    "Retention of final messages in the queue, in days. Their content is erased immediately, or after 24 hours if a retry may help",
  ),
  log: setting(
    "SEALPOST_LOG",
    "info",
    oneOf("trace", "debug", "info", "warning", "error", "fatal"),
    "Log level; JSON lines when not a terminal",
  ),
} as const;

type SettingValue<S> = S extends Setting<infer T> ? T : never;
export type Config = { readonly [K in keyof typeof SETTINGS]: SettingValue<(typeof SETTINGS)[K]> };

/**
 * Reads the settings from an environment. It ignores names other than `HOST`, `PORT` and those with the prefix
 * `SEALPOST_`.
 * @throws {SealpostError} `bad_setting`, one line that names every unknown name and every invalid value.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: { readonly parameter: string; readonly text: string }[] = unknownNames(env);
  const entries = Object.entries(SETTINGS).map(([key, row]) => {
    const given = env[row.name] || row.fallback;
    const result = v.safeParse<Setting<unknown>["schema"]>(row.schema, given);
    if (result.success) return [key, result.output];
    const shown = row.secret ? "" : `, got ${JSON.stringify(given)}`;
    problems.push({ parameter: row.name, text: `${row.name}: ${result.issues[0].message}${shown}` });
    return [key, undefined];
  });
  const [first] = problems;
  if (first === undefined) return Object.fromEntries(entries) as Config;
  const message = problems.map(({ text }) => text).join("; ");
  throw new SealpostError("bad_setting", message, { parameter: first.parameter });
}

/** The API key of the command line. A server that starts in the same shell ignores it. */
const OF_THE_COMMAND_LINE = "SEALPOST_API_KEY";

function unknownNames(env: Readonly<Record<string, string | undefined>>) {
  const settings: readonly string[] = Object.values(SETTINGS).map((row) => row.name);
  const known = [...settings, OF_THE_COMMAND_LINE];
  const unknown = Object.keys(env).filter((name) => name.startsWith("SEALPOST_") && !known.includes(name));
  return unknown.map((name) => ({
    parameter: name,
    text: `Unknown environment variable ${name}${suggestion(name, known) || ": see the table in the README"}`,
  }));
}
