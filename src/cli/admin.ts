import { text } from "node:stream/consumers";
import { Command, InvalidArgumentError } from "commander";
import { ADMIN_NAME_FORM, type AdminName, displayName, isAdminName } from "../domain/names.ts";
import { Secret } from "../domain/secret.ts";
import { SealpostError } from "../errors.ts";
import { randomPassword } from "../runtime/local/first-admin.ts";
import type { Services } from "../services.ts";
import { commandLineActor, print, withInstance } from "./session.ts";

interface NameOptions {
  readonly realm: string;
}
interface PasswordOptions extends NameOptions {
  readonly passwordStdin?: boolean;
}

/** `admin add|passwd|enable|disable|remove|list`. */
export function adminCommand(): Command {
  return new Command("admin")
    .description("Admins, who may log in")
    .addCommand(addCommand())
    .addCommand(passwdCommand())
    .addCommand(switchCommand("disable", false, "Disable an admin and revoke their tokens"))
    .addCommand(switchCommand("enable", true, "Enable an admin again"))
    .addCommand(removeCommand())
    .addCommand(listCommand());
}

function addCommand(): Command {
  return withPassword(named("add", "Add an admin")).action(
    async (username: string, options: PasswordOptions) => {
      const name = { username, realm: options.realm };
      await withNewPassword(name, options, async (services, password) => {
        await services.admins.add(name, password, commandLineActor("admin add"));
      });
    },
  );
}

function passwdCommand(): Command {
  return withPassword(named("passwd", "Set an admin's password and revoke their tokens")).action(
    async (username: string, options: PasswordOptions) => {
      const name = { username, realm: options.realm };
      await withNewPassword(name, options, async (services, password) => {
        await services.admins.setPassword(name, password, commandLineActor("admin passwd"));
      });
    },
  );
}

function switchCommand(verb: "enable" | "disable", enabled: boolean, description: string): Command {
  return named(verb, description).action(async (username: string, { realm }: NameOptions) => {
    const name = { username, realm };
    const actor = commandLineActor(`admin ${verb}`);
    await withInstance(({ services }) => services.admins.setEnabled(name, enabled, actor));
    print(`${displayName(name)} is ${verb}d`);
  });
}

function removeCommand(): Command {
  return named("remove", "Delete an admin").action(async (username: string, { realm }: NameOptions) => {
    const name = { username, realm };
    await withInstance(({ services }) => services.admins.remove(name, commandLineActor("admin remove")));
    print(`${displayName(name)} is removed`);
  });
}

function listCommand(): Command {
  return new Command("list").description("List the admins").action(async () => {
    const admins = await withInstance(({ services }) => services.admins.list());
    for (const admin of admins) print(`${admin.enabled ? "enabled " : "disabled"}  ${displayName(admin)}`);
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

function withPassword(command: Command): Command {
  return command.option("--password-stdin", "read the password from standard input instead of creating one");
}

/** A password is never an argument, which other users of the machine can see. */
async function withNewPassword(
  name: AdminName,
  options: PasswordOptions,
  use: (services: Services, password: Secret) => Promise<void>,
): Promise<void> {
  const given = options.passwordStdin ? await readPassword() : null;
  const password = given ?? randomPassword();
  await withInstance(({ services }) => use(services, new Secret(password)));
  print(
    given === null
      ? `Password of ${displayName(name)}: ${password}`
      : `The password of ${displayName(name)} is set`,
  );
}

async function readPassword(): Promise<string> {
  const [line = ""] = (await text(process.stdin)).split(/\r?\n/);
  // A login rejects NUL.
  if (line !== "" && !line.includes("\0")) return line;
  throw new SealpostError(
    "bad_setting",
    "Standard input has no password, or one with NUL, on its first line",
  );
}
