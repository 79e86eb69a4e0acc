import { join } from "node:path";
import { SETTINGS } from "../src/config.ts";
import { FAILURE_CODES, notSent, PHASES } from "../src/domain/delivery.ts";
import { FINDINGS } from "../src/domain/findings.ts";
import { HINTS } from "../src/domain/hints/index.ts";
import { NOTICES } from "../src/domain/notices.ts";
import { CORE_RIGHTS } from "../src/domain/policy.ts";
import { ERROR_CODES, SealpostError } from "../src/errors.ts";
import { DEFAULT_PLUGINS } from "../src/runtime/default-plugins.ts";
import { METRICS } from "../src/telemetry/metrics.ts";

// Writes docs/reference.md from the tables of the code. A test checks that it is current.

const PAGE = join(import.meta.dir, "..", "docs", "reference.md");
/** Longer defaults are texts of messages. */
const MAX_DEFAULT_CHARACTERS = 60;

/** Returns the page. */
export function referencePage(): string {
  return `# Reference

\`bun tools/reference.ts\` writes this page from the tables of the code. Routes and parameters are in \`GET /openapi.json\`.

## Environment

${table(
  ["setting", "default", "meaning"],
  Object.values(SETTINGS).map(({ name, fallback, meaning }) => [code(name), code(fallback), meaning]),
)}

## Settings of plugins

Admins change them by \`POST /system/setConfig\`. Options of the plugin replace the defaults.

${table(["setting", "default", "meaning"], DEFAULT_PLUGINS.flatMap(settingRows))}

## Rights

[SECURITY.md](../SECURITY.md#what-each-right-amounts-to) has the routes of each right, and what it amounts to.

${table(["right", "of", "permits"], [...rightRows("Sealpost", CORE_RIGHTS), ...DEFAULT_PLUGINS.flatMap(({ name, rights }) => rightRows(name, rights ?? {}))])}

## Errors

\`result.error.code\` of a response with its HTTP status. Where two have the same code, the message says which it is.

${table(["code", "status", "name", "may succeed later"], ERROR_CODES.map(errorRow))}

## Failures of a delivery

\`detail.delivery.phase\` is one of ${PHASES.map(code).join(", ")}. \`detail.delivery.code\` is the reason. "Later" means that the same message may arrive later; the first digit of the server's reply overrides it. In every phase before \`sender\`, the server or its definition is at fault, and at \`sender\` for \`unsupported_here\`, too.

${table(
  ["code", "at fault", "later"],
  FAILURE_CODES.map((failure) => {
    const { fault, retryable } = notSent("data", failure);
    return [code(failure), fault === "mail" ? "the message" : "the server or its definition", yes(retryable)];
  }),
)}

${sentenceTables()}

## Metrics

\`GET /metrics\` has these, for Prometheus.

${table(
  ["metric", "type", "labels", "meaning"],
  Object.entries(METRICS).map(([name, { type, labels, help }]) => [
    code(name),
    type,
    labels.map(code).join(", "),
    help,
  ]),
)}
`;
}

/** Returns the tables of codes that stand for sentences. */
function sentenceTables(): string {
  const rows = (texts: Readonly<Record<string, string>>) =>
    table(
      ["code", "sentence"],
      Object.entries(texts).map(([name, text]) => [code(name), text]),
    );
  return `## Notices

\`detail.notices\` has the code and the parameter of each sentence in \`detail.warnings\`.

${rows(NOTICES)}

## Hints

\`detail.delivery.hints\` has the code of each sentence in \`detail.delivery.hint\`, with the values that it names in braces.

${rows(HINTS)}

## Findings

\`problems\` of \`GET /system/doctor\` has the code of each sentence in \`message\`, with its values. A hint follows the code \`server_fails\`.

${rows(FINDINGS)}`;
}

function settingRows(plugin: (typeof DEFAULT_PLUGINS)[number]): string[][] {
  const options = plugin.validate();
  const settings = "settings" in options ? options.settings : {};
  return Object.entries(settings).map(([name, { fallback, description }]) => {
    return [code(name), defaultText(fallback), description];
  });
}

function defaultText(fallback: unknown): string {
  const text = Array.isArray(fallback) ? fallback.join() : String(fallback ?? "");
  return text.length > MAX_DEFAULT_CHARACTERS || text.includes("\n") ? "built in" : code(text);
}

function rightRows(owner: string, rights: Readonly<Record<string, string>>): string[][] {
  return Object.entries(rights).map(([right, text]) => [code(right), owner, text]);
}

function errorRow(name: (typeof ERROR_CODES)[number]): string[] {
  const { number, status, retryable } = new SealpostError(name, "");
  return [String(number), String(status), code(name), yes(retryable)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

function yes(is: boolean): string {
  return is ? "yes" : "";
}

if (import.meta.main) await Bun.write(PAGE, referencePage());
