import { configureSync, getConsoleSink, jsonLinesFormatter, type LogLevel } from "@logtape/logtape";

/** Writes the log to the console as JSON lines, which Cloudflare keeps and `wrangler tail` shows. */
export function configureConsole(level: LogLevel): void {
  configureSync({
    reset: true,
    sinks: { console: getConsoleSink({ formatter: jsonLinesFormatter }) },
    loggers: [
      { category: ["sealpost"], lowestLevel: level, sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}
