import { Command } from "commander";
import { PLATFORM } from "../runtime/platform.ts";
import { generateKey } from "../secrets/keyring.ts";
import { print, withInstance } from "./session.ts";

const KEY_ID_BYTES = 4;

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
    .action(() => {
      print(generateKey(PLATFORM.randomBytes(KEY_ID_BYTES).toHex(), PLATFORM));
    });
}

function rotateCommand(): Command {
  return new Command("rotate")
    .description("Re-encrypt every secret with the first key; may be interrupted and run again")
    .action(async () => {
      const { resealed, current } = await withInstance(({ services }) => services.rekey());
      print(
        `${resealed} re-encrypted with the first key, ${current} unchanged; the other keys can be removed`,
      );
    });
}
