/** Formats a value in the text of a log line. Errors are shown by their message, which JSON leaves out. */
export function logText(value: unknown, replacer?: (key: string, value: unknown) => unknown): string {
  if (typeof value === "string") return value;
  return value instanceof Error ? String(value) : (JSON.stringify(value, replacer) ?? String(value));
}
