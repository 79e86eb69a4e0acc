import { Command } from "commander";
import * as v from "valibot";
import { parseEndpoint } from "../domain/endpoint.ts";
import { type DefinitionView, definitionDetail, definitionView } from "../http/smtpserver-schema.ts";
import { usedByEntries } from "../wire/envelope.ts";
import { ApiError } from "./api.ts";
import { table } from "./output.ts";
import { runOnApi } from "./run.ts";
import { addCommand } from "./server-add.ts";
import { loginCommand } from "./server-login.ts";
import { testCommand } from "./server-test.ts";

const HEADS = ["IDENTIFIER", "SERVER", "TLS", "SENDER", "SIGNS", "DESCRIPTION"];
/** Passwords are never shown, whatever `SEALPOST_SECRETS` says. */
const CENSORED = { censor: "1" };

/** `server list|show|add|remove|test|login`. */
export function serverCommand(): Command {
  return new Command("server")
    .description("SMTP server definitions")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(testCommand())
    .addCommand(loginCommand());
}

function listCommand(): Command {
  return new Command("list").description("List the definitions").action(async (_, command: Command) => {
    await runOnApi(command, async (api) => {
      const { value, raw } = await api.call({
        method: "GET",
        path: ["smtpserver", ""],
        query: CENSORED,
        value: v.record(v.string(), definitionView),
      });
      return { json: raw.value, lines: table(HEADS, Object.entries(value).map(rowOf)) };
    });
  });
}

function rowOf([identifier, definition]: readonly [string, DefinitionView]) {
  const { server, port, tls, sender, smime, description } = definition;
  const endpoint = parseEndpoint({ server, port, tls });
  const place = endpoint ? `${endpoint.host}:${endpoint.port}` : server;
  return [identifier, place, endpoint?.security, sender, smime ? "yes" : "no", description];
}

function showCommand(): Command {
  return new Command("show")
    .description("Show a definition, with its health and its certificate")
    .argument("<identifier>")
    .action(async (identifier: string, _, command: Command) => {
      await runOnApi(command, async (api) => {
        const { value, detail, raw } = await api.call({
          method: "GET",
          path: ["smtpserver", identifier],
          query: CENSORED,
          value: definitionView,
          detail: definitionDetail,
        });
        const { warnings, notices: _, health, ...further } = detail;
        const fields = Object.entries({ ...value, ...further, health }).flatMap(rowsOf);
        return { json: raw, lines: table(["FIELD", "VALUE"], fields), warnings };
      });
    });
}

/** The rows of a field. A group has one for each of its members; what is not set is left out. */
function rowsOf([name, value]: readonly [string, unknown]): (readonly [string, unknown])[] {
  if (value === null || value === undefined || value === "") return [];
  if (typeof value !== "object") return [[name, value]];
  if (Array.isArray(value) && value.every((entry) => typeof entry !== "object")) return [[name, value]];
  return Object.entries(value).flatMap(([member, entry]) => rowsOf([`${name}.${member}`, entry]));
}

function removeCommand(): Command {
  return new Command("remove")
    .description("Delete a definition")
    .argument("<identifier>")
    .action(async (identifier: string, _, command: Command) => {
      await runOnApi(command, async (api) => {
        const { value, detail, raw } = await api.call({
          method: "DELETE",
          path: ["smtpserver", identifier],
          value: v.boolean(),
          detail: v.optional(v.object(usedByEntries), {}),
        });
        if (!value) throw new ApiError(`There is no definition "${identifier}"`);
        const { used_by: users = [] } = detail;
        const warnings = users.map((user) => `The plugin ${user} sends through it: change its settings`);
        return { json: raw.value, lines: [`${identifier} is removed`], warnings };
      });
    });
}
