import { Command } from "commander";
import { PLATFORM } from "../runtime/platform.ts";
import { generateKey } from "../secrets/keyring.ts";
import { show } from "./output.ts";
import { globalOptionsOf, runOnDatabase } from "./run.ts";
import { commandLineActor } from "./session.ts";

const KEY_ID_BYTES = 4;

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
      await runOnDatabase(command, async ({ services }) => {
        if (tokens) await services.renewTokens(commandLineActor("keys rotate"));
        const { resealed, current } = await services.rekey();
        const lines = [
          ...(tokens ? ["Restart every server now: until then it accepts the old tokens and codes"] : []),
          `${resealed} re-encrypted with the first key, ${current} unchanged; the other keys can be removed`,
        ];
        return { json: { resealed, current }, lines };
      });
    });
}
