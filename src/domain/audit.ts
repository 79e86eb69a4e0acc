/** An entry of the audit log: one action. No text contains a secret, a code or a body. */
export interface AuditEntry {
  readonly date: Date;
  /** `METHOD /route/<parameter>`, or `cli …`. */
  readonly action: string;
  readonly success: boolean;
  /** The admin. Empty if no admin was logged in. */
  readonly administrator: string;
  readonly realm: string;
  /** IP address of the client. Empty if it is unknown. */
  readonly client: string;
  /** The definition, policy or admin that the action concerns. */
  readonly identifier: string;
  readonly recipient: string;
  /** Names of the changed fields, comma-separated. */
  readonly fields: string;
  /** Outcome of a message: `sent`, `not-sent`, `unknown` or `queued`. Empty for other actions. */
  readonly outcome: string;
  /** The phase in which a message failed. */
  readonly phase: string;
  /** Code and short reason. */
  readonly info: string;
  /** Names of the policies that allowed the action, comma-separated. */
  readonly policies: string;
  readonly requestId: string;
}

/** An entry as it is stored. */
export interface StoredAuditEntry extends AuditEntry {
  /** 1, 2, … in the order of writing. */
  readonly number: number;
  /** Number of actions that the entry stands for. */
  readonly count: number;
}

/** Which entries to read. Texts match without regard to ASCII case, and `*` matches any characters. */
export interface AuditQuery {
  readonly filters: Readonly<Partial<Record<AuditTextColumn, string>>>;
  readonly success?: boolean;
  /** Only entries from this time on. */
  readonly since?: Date;
  readonly sort: AuditSortColumn;
  readonly descending: boolean;
  /** 1, 2, … */
  readonly page: number;
  readonly pageSize: number;
}

export const AUDIT_TEXT_COLUMNS = [
  "action",
  "administrator",
  "realm",
  "client",
  "identifier",
  "recipient",
  "fields",
  "outcome",
  "phase",
  "info",
  "policies",
] as const;
export type AuditTextColumn = (typeof AUDIT_TEXT_COLUMNS)[number];

export const AUDIT_SORT_COLUMNS = ["number", "date", ...AUDIT_TEXT_COLUMNS, "success"] as const;
type AuditSortColumn = (typeof AUDIT_SORT_COLUMNS)[number];

/** The fields of an entry that a request fills in before the action: who acts, and from where. */
export type AuditActor = Pick<
  AuditEntry,
  "action" | "administrator" | "realm" | "client" | "policies" | "requestId"
>;

/** The fields of an entry that name what the action concerns. */
export type AuditTarget = Pick<AuditEntry, "identifier" | "recipient">;

/** Creates an entry. Absent fields are empty. */
export function auditEntry(
  actor: AuditActor,
  date: Date,
  fields: { readonly success: boolean } & Partial<Omit<AuditEntry, keyof AuditActor | "date">>,
): AuditEntry {
  return {
    identifier: "",
    recipient: "",
    fields: "",
    outcome: "",
    phase: "",
    info: "",
    ...actor,
    date,
    ...fields,
  };
}
