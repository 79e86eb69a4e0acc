import { Hono } from "hono";
import * as v from "valibot";
import type { AuditLog } from "../access/audit-log.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import {
  AUDIT_SORT_COLUMNS,
  AUDIT_TEXT_COLUMNS,
  type AuditQuery,
  type StoredAuditEntry,
} from "../domain/audit.ts";
import { success } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";
import { pageOf } from "../wire/paging.ts";
import { wholeNumber } from "../wire/schemas.ts";
import { queryParams } from "../wire/validate.ts";

const MOST_PAGE_SIZE = 1_000;
const MOST_PAGE = 1_000_000;
const MOST_PATTERN_CHARACTERS = 255;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** Empty: no limit. */
const TIME_LIMIT = /^(?:(\d{1,6})([smhd]))?$/;

const pattern = v.pipe(
  v.string(),
  v.maxLength(MOST_PATTERN_CHARACTERS, `expected at most ${MOST_PATTERN_CHARACTERS} characters`),
  v.description("Rows whose column is this; * stands for any characters"),
);
const filterEntries = Object.fromEntries(
  AUDIT_TEXT_COLUMNS.map((column) => [column, v.optional(pattern)]),
) as Record<(typeof AUDIT_TEXT_COLUMNS)[number], v.OptionalSchema<typeof pattern, undefined>>;

const auditParams = v.object({
  ...filterEntries,
  success: v.optional(v.boolean("expected true or false")),
  timelimit: v.optional(
    v.pipe(
      v.string(),
      v.regex(TIME_LIMIT, "expected a number and s, m, h or d, such as 24h"),
      v.description("Only rows of the last such time, such as 24h"),
    ),
  ),
  page: v.optional(wholeNumber(1, MOST_PAGE), 1),
  page_size: v.optional(wholeNumber(1, MOST_PAGE_SIZE), 15),
  sortname: v.optional(
    v.picklist(AUDIT_SORT_COLUMNS, `expected one of ${AUDIT_SORT_COLUMNS.join(", ")}`),
    "number",
  ),
  sortorder: v.optional(v.picklist(["asc", "desc"], "expected asc or desc"), "desc"),
});

const rowView = v.object({
  number: v.number(),
  date: v.pipe(v.string(), v.description("ISO 8601, UTC")),
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
const pageView = v.object({
  auditdata: v.array(rowView),
  count: v.number(),
  current: v.number(),
  prev: v.nullable(v.number()),
  next: v.nullable(v.number()),
});

/** The audit log. */
export function auditRoutes(parts: {
  readonly auditLog: AuditLog;
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
}) {
  const { auditLog, requireRight, platform } = parts;
  return new Hono<Env>()
    .get(
      "/",
      operation({
        summary: "Audit rows, newest first",
        operationId: "listAudit",
        tag: "Audit",
        answer: pageView,
      }),
      requireRight("auditlog", "GET /audit/", { isProvedByRead: true }),
      queryParams(auditParams),
      async (c) => {
        const query = toQuery(c.req.valid("query"), platform.now());
        const { entries, total } = await auditLog.page(query);
        const value = { auditdata: entries.map(toRowView), ...pageOf(query, total) };
        return c.json(success(value, platform.now()));
      },
    )
    .all("/", allowOnly("GET"));
}

function toQuery(params: v.InferOutput<typeof auditParams>, now: Date): AuditQuery {
  const { success, timelimit, page, page_size, sortname, sortorder } = params;
  const given = AUDIT_TEXT_COLUMNS.filter((column) => params[column]);
  return {
    filters: Object.fromEntries(given.map((column) => [column, params[column]])),
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

function toRowView({ date, requestId, ...entry }: StoredAuditEntry): v.InferOutput<typeof rowView> {
  return { ...entry, date: date.toISOString(), request_id: requestId };
}
