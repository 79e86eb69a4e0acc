import * as v from "valibot";
import type { ReadMetrics } from "../mail/metrics.ts";
import { MEDIA_TYPES } from "../telemetry/exposition.ts";
import { route } from "../wire/route.ts";

/** Metrics for Prometheus. */
export function metricsRoutes({ readMetrics }: { readonly readMetrics: ReadMetrics }) {
  return [
    route(
      {
        method: "GET",
        path: "/metrics",
        right: "metrics_read",
        isProvedByRead: true,
        response: v.string(),
        media: "text/plain",
        summary: "Read the metrics",
        description:
          "In the text format of Prometheus, or as OpenMetrics if `Accept` asks for it. Queue, circuits, certificates and " +
          "access tokens are those of the database, everything else is of the process that responds.",
        operationId: "readMetrics",
        tag: { name: "Metrics", description: "Numbers for monitoring" },
      },
      async (c) => {
        const isOpen = c.req.header("accept")?.includes("application/openmetrics-text");
        const format = isOpen ? "openmetrics" : "prometheus";
        return c.body(await readMetrics(format), 200, { "Content-Type": MEDIA_TYPES[format] });
      },
    ),
  ];
}
