import { FURTHER_DEFAULTS, type FurtherFields } from "./smtp-server.ts";

/** Further fields as a client sends them: undefined keeps the stored value, null resets it. */
export type FurtherInput = {
  readonly [K in keyof FurtherFields]?: FurtherFields[K] | null | undefined;
};

/** Names of the further fields as parameters. */
export const FURTHER_PARAMETERS = {
  maxConnections: "max_connections",
  mailsPerMinute: "mails_per_minute",
  pipelining: "pipelining",
  authMechanism: "auth_mechanism",
} as const satisfies Readonly<Record<keyof FurtherFields, string>>;

/** @param stored the definition that absent fields come from; undefined: they take their defaults. */
export function resolveFurther(input: FurtherInput, stored: FurtherFields = FURTHER_DEFAULTS): FurtherFields {
  const field = <K extends keyof FurtherFields>(name: K): FurtherFields[K] => {
    const value = input[name];
    return value === undefined ? stored[name] : (value ?? FURTHER_DEFAULTS[name]);
  };
  return {
    maxConnections: field("maxConnections"),
    mailsPerMinute: field("mailsPerMinute"),
    pipelining: field("pipelining"),
    authMechanism: field("authMechanism"),
  };
}
