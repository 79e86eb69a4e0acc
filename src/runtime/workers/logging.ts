import { configureSync, type LogLevel, type LogRecord } from "@logtape/logtape";
import { logText } from "../log-text.ts";

const METHODS = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "error",
} as const satisfies Record<LogLevel, keyof Console>;

/** Writes the log to the console as JSON lines, which Cloudflare keeps and `wrangler tail` shows. */
export function configureConsole(level: LogLevel): void {
  configureSync({
    reset: true,
    sinks: { console: write },
    loggers: [
      { category: ["sealpost"], lowestLevel: level, sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}

/** Writes lines in the form of LogTape's own formatter, which would take a fiftieth of a Worker's size limit. */
function write({ timestamp, level, category, message, properties }: LogRecord): void {
  const line = {
    "@timestamp": new Date(timestamp).toISOString(),
    level: level === "warning" ? "WARN" : level.toUpperCase(),
    message: message.map((part) => logText(part, withErrors)).join(""),
    logger: category.join("."),
    properties,
  };
  console[METHODS[level]](JSON.stringify(line, withErrors));
}

/** JSON has neither errors nor large numbers. */
function withErrors(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  return { ...value, name, message, stack, cause };
}
