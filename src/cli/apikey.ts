import { Command } from "commander";
import * as v from "valibot";
import { displayName } from "../domain/names.ts";
import { apiKeyView, createdApiKeyView } from "../http/apikey-schema.ts";
import { noticeEntries } from "../wire/envelope.ts";
import { ApiError } from "./api.ts";
import { table } from "./output.ts";
import { runOnApi, usesApiKey } from "./run.ts";

interface CreateOptions {
  readonly admin?: string;
  readonly realm: string;
  readonly rights: string;
  readonly servers?: string;
  readonly client?: string;
  readonly expiresAt?: string;
}

const HEADS = ["ID", "NAME", "ADMIN", "RIGHTS", "SERVERS", "CLIENT", "EXPIRES", "LAST USED"];

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
    .option("--admin <username>", "admin whose rights the key uses; with an API key always its own")
    .option("--realm <realm>", "realm of the admin; local admins have none", "")
    .requiredOption("--rights <rights>", "rights of the key, comma-separated")
    .option("--servers <identifiers>", "definitions that it may use, comma-separated; default: all")
    .option("--client <blocks>", "addresses from which it is accepted, comma-separated; default: all")
    .option("--expires-at <time>", "RFC 3339; default: it does not expire")
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const { admin, realm, expiresAt, ...lists } = options;
      await runOnApi(
        command,
        async (api) => {
          const { value, detail, raw } = await api.call({
            method: "POST",
            path: ["apikey", ""],
            body: { name, ...lists, expires_at: expiresAt },
            value: createdApiKeyView,
            detail: v.optional(v.object(noticeEntries), {}),
          });
          return { json: raw.value, lines: [value.key], warnings: detail.warnings };
        },
        ownerOf(options, usesApiKey(command)),
      );
    });
}

/** @throws {ApiError} if an API key is used and an admin is named, or neither. */
function ownerOf({ admin, realm }: CreateOptions, hasApiKey: boolean) {
  if (hasApiKey) {
    if (admin === undefined) return null;
    throw new ApiError(
      "--admin: with an API key the new key is always of the admin of the key that creates it",
    );
  }
  if (admin !== undefined) return { username: admin, realm };
  throw new ApiError("Missing option: --admin");
}

function listCommand(): Command {
  return new Command("list")
    .description("List the keys, without the keys themselves")
    .action(async (_, command: Command) => {
      await runOnApi(command, async (api) => {
        const request = { method: "GET", path: ["apikey", ""], value: v.array(apiKeyView) } as const;
        const { value, raw } = await api.call(request);
        return { json: raw.value, lines: table(HEADS, value.map(rowOf)) };
      });
    });
}

function rowOf(key: v.InferOutput<typeof apiKeyView>) {
  const { id, name, rights, servers, client, administrator, realm, expires_at, last_used_at } = key;
  const owner = displayName({ username: administrator, realm });
  return [id, name, owner, rights, servers, client, expires_at, last_used_at];
}

function removeCommand(): Command {
  return new Command("remove")
    .description("Delete a key: its next request is rejected by every server")
    .argument("<id>", "as `apikey list` shows it")
    .action(async (id: string, _, command: Command) => {
      await runOnApi(command, async (api) => {
        const { raw } = await api.call({ method: "DELETE", path: ["apikey", id], value: v.literal(true) });
        return { json: raw.value, lines: [`${id} is removed`] };
      });
    });
}
