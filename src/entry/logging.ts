import {
  ansiColorFormatter,
  configure,
  getConsoleSink,
  jsonLinesFormatter,
  type LogLevel,
} from "@logtape/logtape";

/** Writes the log to standard error: coloured text on a terminal, JSON lines elsewhere. */
export async function configureLogging(level: LogLevel): Promise<void> {
  const formatter = process.stderr.isTTY ? ansiColorFormatter : jsonLinesFormatter;
  await configure({
    sinks: { console: getConsoleSink({ formatter, levelMap: TO_STANDARD_ERROR }) },
    loggers: [
      { category: ["sealpost"], lowestLevel: level, sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}

const TO_STANDARD_ERROR = {
  trace: "error",
  debug: "error",
  info: "error",
  warning: "error",
  error: "error",
  fatal: "error",
} as const;
