import type { AuditLog } from "../access/audit-log.ts";
import type { Platform } from "../contracts/platform.ts";
import { route } from "../wire/route.ts";
import { pageOf } from "../wire/schemas.ts";
import { auditPageView, auditParams, toAuditQuery, toRowView } from "./audit-schema.ts";

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
        description: "Newest rows first, unless `sortname` and `sortorder` ask for another order.",
        operationId: "listAudit",
        tag: { name: "Audit", description: "The record of every action and every rejected request" },
      },
      async (_, { query: params }) => {
        const query = toAuditQuery(params, platform.now());
        const { entries, total } = await auditLog.page(query);
        return { auditdata: entries.map(toRowView), ...pageOf(query, total) };
      },
    ),
  ];
}
