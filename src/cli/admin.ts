import { Command, InvalidArgumentError } from "commander";
import * as v from "valibot";
import { ADMIN_NAME_FORM, type AdminName, displayName, isAdminName } from "../domain/names.ts";
import { adminView } from "../http/admin-schema.ts";
import { randomPassword } from "../runtime/local/first-admin.ts";
import { noticeEntries } from "../wire/envelope.ts";
import { ApiError } from "./api.ts";
import { table } from "./output.ts";
import { runOnApi } from "./run.ts";
import { readFirstLine } from "./stdin.ts";

interface NameOptions {
  readonly realm: string;
}
interface PasswordOptions extends NameOptions {
  readonly passwordStdin?: boolean;
}
type Changes = Readonly<Record<string, unknown>>;

const NEW = { "if-none-match": "*" };
const EXISTING = { "if-match": "*" };

/** `admin add|passwd|enable|disable|remove|list`. */
export function adminCommand(): Command {
  return new Command("admin")
    .description("Admins, who may log in")
    .addCommand(passwordCommand("add", "Add an admin", NEW))
    .addCommand(passwordCommand("passwd", "Set an admin's password and revoke their tokens", EXISTING))
    .addCommand(switchCommand("disable", false, "Disable an admin and revoke their tokens"))
    .addCommand(switchCommand("enable", true, "Enable an admin again"))
    .addCommand(removeCommand())
    .addCommand(listCommand());
}

/** A password is never an argument, which other users of the machine can see. */
function passwordCommand(verb: string, description: string, condition: Readonly<Record<string, string>>) {
  return named(verb, description)
    .option("--password-stdin", "read the password from standard input instead of creating one")
    .action(async (username: string, { realm, passwordStdin }: PasswordOptions, command: Command) => {
      const given = passwordStdin ? await readPassword() : null;
      const password = given ?? randomPassword();
      const name = { username, realm };
      await save(command, name, { password }, condition, {
        json: { ...name, ...(given === null && { password }) },
        line:
          given === null
            ? `Password of ${displayName(name)}: ${password}`
            : `The password of ${displayName(name)} is set`,
      });
    });
}

function switchCommand(verb: "enable" | "disable", enabled: boolean, description: string): Command {
  return named(verb, description).action(
    async (username: string, { realm }: NameOptions, command: Command) => {
      const name = { username, realm };
      const line = `${displayName(name)} is ${verb}d`;
      await save(command, name, { enabled }, EXISTING, { json: true, line });
    },
  );
}

async function save(
  command: Command,
  { username, realm }: AdminName,
  changes: Changes,
  headers: Readonly<Record<string, string>>,
  { json, line }: { readonly json: unknown; readonly line: string },
): Promise<void> {
  await runOnApi(command, async (api) => {
    const { detail } = await api.call({
      method: "POST",
      path: ["admin", username],
      headers,
      body: { realm, ...changes },
      value: v.literal(true),
      detail: v.optional(v.object(noticeEntries), {}),
    });
    return { json, lines: [line], warnings: detail.warnings };
  });
}

function removeCommand(): Command {
  return named("remove", "Delete an admin").action(
    async (username: string, { realm }: NameOptions, command: Command) => {
      await runOnApi(command, async (api) => {
        const path = ["admin", username];
        const { raw } = await api.call({ method: "DELETE", path, query: { realm }, value: v.literal(true) });
        return { json: raw.value, lines: [`${displayName({ username, realm })} is removed`] };
      });
    },
  );
}

function listCommand(): Command {
  return new Command("list").description("List the admins").action(async (_, command: Command) => {
    await runOnApi(command, async (api) => {
      const { value, raw } = await api.call({
        method: "GET",
        path: ["admin", ""],
        value: v.array(adminView),
      });
      const rows = value.map(({ username, realm, enabled }) => [
        username,
        realm,
        enabled ? "enabled" : "disabled",
      ]);
      return { json: raw.value, lines: table(["USERNAME", "REALM", "STATE"], rows) };
    });
  });
}

function named(verb: string, description: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<username>", "name for the login", readName)
    .option("--realm <realm>", "realm of the admin; local admins have none", readName, "");
}

function readName(text: string): string {
  if (isAdminName(text)) return text;
  throw new InvalidArgumentError(`Expected ${ADMIN_NAME_FORM}.`);
}

async function readPassword(): Promise<string> {
  const line = await readFirstLine();
  // A login rejects NUL.
  if (line !== "" && !line.includes("\0")) return line;
  throw new ApiError("Standard input has no password, or one with NUL, on its first line");
}
