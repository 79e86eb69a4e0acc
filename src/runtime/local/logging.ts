import {
  ansiColorFormatter,
  configure,
  getConsoleSink,
  jsonLinesFormatter,
  type LogLevel,
  type LogRecord,
} from "@logtape/logtape";
import { logText } from "../log-text.ts";

/** Writes the log to standard error: colored text on a terminal, JSON lines elsewhere. */
export async function configureLogging(level: LogLevel): Promise<void> {
  const formatter = process.stderr.isTTY ? ansiColorFormatter : jsonLine;
  await configure({
    sinks: { console: getConsoleSink({ formatter, levelMap: TO_STANDARD_ERROR }) },
    loggers: [
      { category: ["sealpost"], lowestLevel: level, sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}

/** LogTape itself would write a value in the message as JSON, and an error as `{}`. */
function jsonLine(record: LogRecord): string {
  return jsonLinesFormatter({ ...record, message: [record.message.map((part) => logText(part)).join("")] });
}

const TO_STANDARD_ERROR = {
  trace: "error",
  debug: "error",
  info: "error",
  warning: "error",
  error: "error",
  fatal: "error",
} as const;
