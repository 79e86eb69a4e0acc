/** One thing that was done, as it is kept. Texts never hold a secret, a code or a body. */
export interface AuditEntry {
  readonly date: Date;
  /** `METHOD /route/<parameter>`, or `cli …`. */
  readonly action: string;
  readonly success: boolean;
  /** Who did it; empty if nobody was logged in. */
  readonly administrator: string;
  readonly realm: string;
  /** Address of the client, or empty if unknown. */
  readonly client: string;
  /** The definition, policy or admin it was done to. */
  readonly identifier: string;
  readonly recipient: string;
  /** Names of the changed fields, comma separated. */
  readonly fields: string;
  /** What became of a mail: `sent`, `not-sent` or `unknown`; else empty. */
  readonly outcome: string;
  /** The phase a mail failed in. */
  readonly phase: string;
  /** Code and short reason. */
  readonly info: string;
  /** Names of the policies that allowed it, comma separated. */
  readonly policies: string;
  readonly requestId: string;
}

/** An entry as it is read back. */
export interface StoredAuditEntry extends AuditEntry {
  /** 1, 2, …: in the order of writing. */
  readonly number: number;
  /** How many events the row stands for. */
  readonly count: number;
}

/** Which entries to read; texts match without regard to ASCII case, `*` stands for any characters. */
export interface AuditQuery {
  readonly filters: Readonly<Partial<Record<AuditTextColumn, string>>>;
  readonly success?: boolean;
  /** Only entries since then. */
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

/** What an entry says of who did it; the request knows this before anything is done. */
export type AuditActor = Pick<
  AuditEntry,
  "action" | "administrator" | "realm" | "client" | "policies" | "requestId"
>;

/** What an entry says of what it was done to. */
export type AuditTarget = Pick<AuditEntry, "identifier" | "recipient">;

/** Completes an entry; what is not said is empty. */
export function auditEntry(
  actor: AuditActor,
  date: Date,
  said: { readonly success: boolean } & Partial<Omit<AuditEntry, keyof AuditActor | "date">>,
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
    ...said,
  };
}
