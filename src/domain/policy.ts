/** A right that routes ask for; plugins add theirs. */
export type Right = string;

/** The rights of the core, and what each opens. */
export const CORE_RIGHTS = {
  smtpserver_read: "Read SMTP server definitions",
  smtpserver_write: "Create, change, delete and test SMTP server definitions",
  policyread: "Read policies",
  policywrite: "Create, change, enable and disable policies",
  policydelete: "Delete policies",
  auditlog: "Read the audit log",
  mail_read: "See queued mail: its state and tries, never what it says",
  mail_write: "Try queued mail at once, or cancel it",
  configread: "Read the settings of plugins, and which plugins there are",
  configwrite: "Change the settings of plugins",
} as const;

/** An admin policy without its number. List attributes that are empty match everything. */
export interface PolicyFields {
  readonly name: string;
  readonly scope: "admin";
  /** Right name → `true`, or a value for actions that carry one. `*` stands for every action, `!x` takes x out. */
  readonly action: Readonly<Record<string, boolean | string>>;
  readonly adminuser: readonly string[];
  readonly adminrealm: readonly string[];
  /** IP addresses and CIDR blocks; `!` or `-` before one negates. */
  readonly client: readonly string[];
  /** `Mon-Fri: 8:00-18:00, …` in UTC; empty: always. */
  readonly time: string;
  readonly active: boolean;
  /** 1 is the highest. */
  readonly priority: number;
  readonly description: string;
}

export interface Policy extends PolicyFields {
  readonly id: number;
}

/** Who asks, from where, when. */
export interface PolicyContext {
  readonly username: string;
  readonly realm: string;
  /** Null: unknown; a policy with `client` then does not match. */
  readonly client: string | null;
  readonly now: Date;
}

/** What the policies say; `policies` are the names of those that matched. */
export interface PolicyDecision {
  readonly allowed: boolean;
  readonly policies: readonly string[];
}
