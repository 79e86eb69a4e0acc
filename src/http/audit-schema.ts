import * as v from "valibot";
import {
  AUDIT_SORT_COLUMNS,
  AUDIT_TEXT_COLUMNS,
  type AuditQuery,
  type StoredAuditEntry,
} from "../domain/audit.ts";
import { parseAddress } from "../domain/mailbox.ts";
import { described, named, pageParams, pageView } from "../wire/schemas.ts";

const MAX_PATTERN_CHARACTERS = 255;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** The empty text stands for no limit. */
const TIME_LIMIT = /^(?:(\d{1,6})([smhd]))?$/;

const pattern = v.pipe(
  v.string(),
  v.maxLength(MAX_PATTERN_CHARACTERS, `expected at most ${MAX_PATTERN_CHARACTERS} characters`),
  v.description("Only rows with this value in the column. `*` matches any characters."),
);
const filterEntries = Object.fromEntries(
  AUDIT_TEXT_COLUMNS.map((column) => [column, v.optional(pattern)]),
) as Record<(typeof AUDIT_TEXT_COLUMNS)[number], v.OptionalSchema<typeof pattern, undefined>>;

/** Parameters of `GET /audit/`. */
export const auditParams = v.object({
  ...filterEntries,
  success: v.optional(v.boolean("expected true or false")),
  timelimit: v.optional(
    v.pipe(
      v.string(),
      v.regex(TIME_LIMIT, "expected a number and s, m, h or d, such as 24h"),
      v.description("Only rows of this last span of time, such as 24h"),
    ),
  ),
  ...pageParams,
  sortname: v.optional(
    v.picklist(AUDIT_SORT_COLUMNS, `expected one of ${AUDIT_SORT_COLUMNS.join(", ")}`),
    "number",
  ),
  format: v.optional(v.picklist(["json", "csv"], "expected json or csv"), "json"),
  sortorder: v.optional(v.picklist(["asc", "desc"], "expected asc or desc"), "desc"),
});

const row = v.object({
  number: v.number(),
  date: described(v.string(), "ISO 8601, UTC"),
  action: v.string(),
  success: v.boolean(),
  administrator: v.string(),
  realm: v.string(),
  client: v.string(),
  identifier: v.string(),
  recipient: v.string(),
  fields: v.string(),
  outcome: v.string(),
  phase: v.string(),
  info: v.string(),
  policies: v.string(),
  request_id: v.string(),
  count: v.number(),
});
const rowView = named("AuditRow", row);
/** The columns of the log as CSV. */
export const AUDIT_COLUMNS = Object.keys(row.entries) as readonly (keyof typeof row.entries)[];

/** `GET /audit/`. */
export const auditPageView = v.object({ auditdata: v.array(rowView), ...pageView });

export function toAuditQuery(params: v.InferOutput<typeof auditParams>, now: Date): AuditQuery {
  const { success, timelimit, page, page_size, sortname, sortorder } = params;
  const given = AUDIT_TEXT_COLUMNS.filter((column) => params[column]);
  const { recipient = "" } = params;
  // Rows have international domains as A-labels. `*` may be in a local part, so `*@bücher.example` is an address.
  const patterns = { ...params, recipient: parseAddress(recipient) ?? recipient };
  return {
    filters: Object.fromEntries(given.map((column) => [column, patterns[column]])),
    ...(success === undefined ? {} : { success }),
    ...(timelimit ? { since: new Date(now.getTime() - durationMs(timelimit)) } : {}),
    sort: sortname,
    descending: sortorder === "desc",
    page,
    pageSize: page_size,
  };
}

function durationMs(text: string): number {
  const [, amount, unit] = TIME_LIMIT.exec(text) ?? [];
  return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

/** Returns a row as `GET /audit/` shows it. */
export function toRowView({ date, requestId, ...entry }: StoredAuditEntry): v.InferOutput<typeof rowView> {
  return { ...entry, date: date.toISOString(), request_id: requestId };
}
