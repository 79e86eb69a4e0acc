import type { AuditLog } from "../access/audit-log.ts";
import type { Platform } from "../contracts/platform.ts";
import { toCsv } from "../wire/csv.ts";
import { route } from "../wire/route.ts";
import { pageOf } from "../wire/schemas.ts";
import { AUDIT_COLUMNS, auditPageView, auditParams, toAuditQuery, toRowView } from "./audit-schema.ts";

const CSV_HEADERS = {
  "content-type": "text/csv; charset=utf-8; header=present",
  "content-disposition": 'attachment; filename="audit.csv"',
};

/** The audit log. */
export function auditRoutes({
  auditLog,
  platform,
}: {
  readonly auditLog: AuditLog;
  readonly platform: Pick<Platform, "now">;
}) {
  return [
    route(
      {
        method: "GET",
        path: "/audit/",
        right: "auditlog",
        isProvedByRead: true,
        parameters: { query: auditParams },
        response: auditPageView,
        summary: "Search the audit log",
        description:
          "Newest rows first, unless `sortname` and `sortorder` ask for another order. With `format=csv` the response is text/csv: a header row, then the rows of the page.",
        operationId: "listAudit",
        tag: { name: "Audit", description: "The record of every action and every rejected request" },
      },
      async (c, { query: params }) => {
        const query = toAuditQuery(params, platform.now());
        const { entries, total } = await auditLog.page(query);
        if (params.format === "csv") {
          const csv = toCsv(AUDIT_COLUMNS, entries.map(toRowView));
          return c.body(csv, 200, CSV_HEADERS) as Response;
        }
        return { auditdata: entries.map(toRowView), ...pageOf(query, total) };
      },
    ),
  ];
}
