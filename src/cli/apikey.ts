import { Command } from "commander";
import type { ListedApiKey } from "../access/api-keys.ts";
import { type AdminName, displayName } from "../domain/names.ts";
import { SealpostError } from "../errors.ts";
import { apiKeyParams } from "../http/apikey-schema.ts";
import type { Services } from "../services.ts";
import { validate } from "../wire/validate.ts";
import { commandLineActor, print, withInstance } from "./session.ts";

interface CreateOptions {
  readonly admin: string;
  readonly realm: string;
  readonly rights: string;
  readonly servers?: string;
  readonly client?: string;
  readonly expiresAt?: string;
}

/** `apikey create|list|remove`. */
export function apiKeyCommand(): Command {
  return new Command("apikey")
    .description("Keys by which programs act for an admin")
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand());
}

function createCommand(): Command {
  return new Command("create")
    .description("Create a key and print it: this is the only time that it can be shown")
    .argument("<name>", "shown in the audit log")
    .requiredOption("--admin <username>", "admin whose rights the key uses")
    .option("--realm <realm>", "realm of the admin; local admins have none", "")
    .requiredOption("--rights <rights>", "rights of the key, comma-separated")
    .option("--servers <identifiers>", "definitions that it may use, comma-separated; default: all")
    .option("--client <blocks>", "addresses from which it is accepted, comma-separated; default: all")
    .option("--expires-at <time>", "RFC 3339; default: it does not expire")
    .action(async (name: string, { admin, realm, expiresAt, ...lists }: CreateOptions) => {
      const key = await withInstance(async ({ services }) => {
        const given = new Map(Object.entries({ name, ...lists, expires_at: expiresAt }));
        const { expires_at, ...fields } = validate(apiKeyParams(services.rights), given);
        const maker = { adminId: await adminIdOf(services, { username: admin, realm }), apiKey: null };
        const actor = commandLineActor("apikey create");
        const created = await services.apiKeys.create({ ...fields, expiresAt: expires_at }, maker, actor);
        return created.key;
      });
      print(key.reveal());
    });
}

function listCommand(): Command {
  return new Command("list").description("List the keys, without the keys themselves").action(async () => {
    const keys = await withInstance(({ services }) => services.apiKeys.list());
    for (const key of keys) print(lineOf(key));
  });
}

function removeCommand(): Command {
  return new Command("remove")
    .description("Delete a key: its next request is rejected by every server")
    .argument("<id>", "as `apikey list` shows it")
    .action(async (id: string) => {
      await withInstance(({ services }) => services.apiKeys.remove(id, commandLineActor("apikey remove")));
      print(`${id} is removed`);
    });
}

/** @throws {SealpostError} `resource_not_found`. */
async function adminIdOf({ admins }: Services, name: AdminName): Promise<string> {
  const found = (await admins.list()).find(
    ({ username, realm }) => username === name.username && realm === name.realm,
  );
  if (found) return found.id;
  throw new SealpostError("resource_not_found", `There is no admin ${displayName(name)}`);
}

function lineOf(key: ListedApiKey): string {
  const fields = [
    key.id,
    key.name,
    displayName(key),
    key.rights.join(","),
    key.servers.length > 0 && `only ${key.servers.join(",")}`,
    key.client.length > 0 && `from ${key.client.join(",")}`,
    key.expiresAt && `until ${key.expiresAt.toISOString()}`,
    key.lastUsedAt ? `used ${key.lastUsedAt.toISOString()}` : "never used",
  ];
  return fields.filter((field) => field).join("  ");
}
