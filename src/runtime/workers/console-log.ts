import type { LogLevel, LogRecord } from "@logtape/logtape";

type Log = (message: string, properties?: Record<string, unknown>) => void;
type Sink = (record: LogRecord) => void;

interface LoggerConfig {
  readonly category: readonly string[];
  readonly lowestLevel: LogLevel;
}

const LEVELS = ["trace", "debug", "info", "warning", "error", "fatal"] as const satisfies readonly LogLevel[];
/** The place of a value in a message; doubled braces are braces. */
const PLACE = /\{\{|\}\}|\{([^{}]+)\}/g;

let sink: Sink = () => undefined;
let loggers: readonly LoggerConfig[] = [];

/**
 * Sets where the log goes. The build of a Worker replaces LogTape by this file, which has the part that Sealpost uses, in
 * a tenth of the size.
 */
export function configureSync(config: {
  readonly sinks: { readonly console: Sink };
  readonly loggers: readonly LoggerConfig[];
}): void {
  sink = config.sinks.console;
  loggers = config.loggers;
}

/** Returns a logger that may be used before the log is configured. */
export function getLogger(category: readonly string[]): Readonly<Record<LogLevel, Log>> {
  const at =
    (level: LogLevel): Log =>
    (message, properties = {}) => {
      if (isWanted(category, level)) write(toRecord(category, level, message, properties));
    };
  return {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warning: at("warning"),
    error: at("error"),
    fatal: at("fatal"),
  };
}

/** Never throws for a property that the sink cannot write: a log must not change what its caller does. */
function write(record: LogRecord): void {
  try {
    sink(record);
  } catch (error) {
    sink(
      toRecord(record.category, "error", "Cannot log {rawMessage}: {error}", {
        rawMessage: record.rawMessage,
        error,
      }),
    );
  }
}

function isWanted(category: readonly string[], level: LogLevel): boolean {
  const config = loggers.find((one) => one.category.every((part, index) => part === category[index]));
  return config !== undefined && LEVELS.indexOf(level) >= LEVELS.indexOf(config.lowestLevel);
}

function toRecord(
  category: readonly string[],
  level: LogLevel,
  rawMessage: string,
  properties: Record<string, unknown>,
): LogRecord {
  const message: unknown[] = [""];
  let end = 0;
  const addText = (text: string) => message.push(`${message.pop()}${text}`);
  for (const { 0: place, 1: name, index } of rawMessage.matchAll(PLACE)) {
    addText(rawMessage.slice(end, index));
    if (name === undefined) addText(place.slice(1));
    else message.push(properties[name], "");
    end = index + place.length;
  }
  addText(rawMessage.slice(end));
  return { category, level, message, rawMessage, timestamp: Date.now(), properties };
}
