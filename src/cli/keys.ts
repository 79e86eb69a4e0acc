import { Command } from "commander";
import type { RekeyResult } from "../access/rekey.ts";
import { rotated } from "../http/backup-schema.ts";
import { PLATFORM } from "../runtime/platform.ts";
import { generateKey } from "../secrets/keyring.ts";
import { show } from "./output.ts";
import { globalOptionsOf, operatorTasks } from "./run.ts";
import { commandLineActor, withInstance } from "./session.ts";

const KEY_ID_BYTES = 4;
const RESTART = "Restart every server now: until then it accepts the old tokens and codes";
/** A Durable Object has the new ones at once. */
const DEPLOY = "A Worker with a database server accepts the old tokens and codes until you deploy it again";

interface RotateOptions {
  readonly tokens?: boolean;
}

/** `keys new`, `keys rotate`. */
export function keysCommand(): Command {
  return new Command("keys")
    .description("The keys that encrypt secrets in the database")
    .addCommand(newCommand())
    .addCommand(rotateCommand());
}

function newCommand(): Command {
  return new Command("new")
    .description("Print a new key, to put first in SEALPOST_KEYS or the key file")
    .action((_, command: Command) => {
      const key = generateKey(PLATFORM.randomBytes(KEY_ID_BYTES).toHex(), PLATFORM);
      show({ json: key, lines: [key] }, globalOptionsOf(command).json);
    });
}

function rotateCommand(): Command {
  return new Command("rotate")
    .description("Re-encrypt every secret with the first key; may be interrupted and run again")
    .option("--tokens", "void the tokens and codes that are outstanding, in servers started after it")
    .action(async ({ tokens = false }: RotateOptions, command: Command) => {
      const { url, json } = globalOptionsOf(command);
      const { resealed, current } =
        url === undefined ? await rotateHere(tokens) : await rotateAt(command, url, tokens);
      const lines = [
        ...(tokens ? [url === undefined ? RESTART : DEPLOY] : []),
        `${resealed} re-encrypted with the first key, ${current} unchanged; the other keys can be removed`,
      ];
      show({ json: { resealed, current }, lines }, json);
    });
}

function rotateHere(tokens: boolean): Promise<RekeyResult> {
  return withInstance(async ({ services }) => {
    if (tokens) await services.renewTokens(commandLineActor("keys rotate"));
    return services.rekey();
  });
}

async function rotateAt(command: Command, url: string, tokens: boolean): Promise<RekeyResult> {
  const path = ["operator", "keys", "rotate"];
  return (await operatorTasks(command, url).call({ method: "POST", path, body: { tokens }, value: rotated }))
    .value;
}
