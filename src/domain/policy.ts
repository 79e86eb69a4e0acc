/** A right that a route requires. Plugins add their own. */
export type Right = string;

/** The rights of the core, and what each permits. */
export const CORE_RIGHTS = {
  smtpserver_read: "Read SMTP server definitions",
  smtpserver_write: "Create, change, delete and test SMTP server definitions",
  smtpserver_route: "Change where the mail of plugins goes, in addition to the right of the route",
  policyread: "Read policies",
  policywrite: "Create, change, enable and disable policies",
  policydelete: "Delete policies",
  auditlog: "Read the audit log",
  mail_read: "Read queued mail: state and attempts, never the content",
  mail_write: "Retry or cancel queued mail",
  configread: "Read the settings of plugins, and list plugins",
  configwrite: "Change the settings of plugins",
  apikey_read: "List API keys",
  apikey_write: "Create and delete API keys",
  mail_send: "Send messages",
  metrics_read: "Read the metrics",
  adminread: "List admins",
  adminwrite: "Create, change, enable, disable and delete admins",
} as const;

/**
 * The right that a change of where codes go requires in addition, once an active policy names it. Before that, the right
 * of the route is enough.
 */
export const REROUTE_RIGHT: Right = "smtpserver_route" satisfies keyof typeof CORE_RIGHTS;

/** An admin policy without its id. An empty list matches everything. */
export interface PolicyFields {
  readonly name: string;
  readonly scope: "admin";
  /** Name of a right → `true`, or a value for rights that have one. `*` grants all rights, and `!x` excludes x. */
  readonly action: Readonly<Record<string, boolean | string>>;
  readonly adminuser: readonly string[];
  readonly adminrealm: readonly string[];
  /** IP addresses and CIDR blocks; `!` or `-` before one negates. */
  readonly client: readonly string[];
  /** `Mon-Fri: 8:00-18:00, …` in UTC. If empty, the policy always applies. */
  readonly time: string;
  readonly active: boolean;
  /** 1 is the highest. */
  readonly priority: number;
  readonly description: string;
}

export interface Policy extends PolicyFields {
  readonly id: number;
}

/** The admin, the client and the time of a request. */
export interface PolicyContext {
  readonly username: string;
  readonly realm: string;
  /** `null` if it is unknown; then no policy with `client` matches. */
  readonly client: string | null;
  readonly now: Date;
}

/** The result of evaluating the policies. */
export interface PolicyDecision {
  readonly allowed: boolean;
  /** Names of the policies that matched. */
  readonly policies: readonly string[];
}
