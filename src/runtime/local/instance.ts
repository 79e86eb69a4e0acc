import type { Config } from "../../config.ts";
import type { Plugin } from "../../contracts/plugin/definition.ts";
import { createSealpost, internalsOf, type Sealpost } from "../../sealpost.ts";
import { sealpostOptionsOf } from "../options.ts";
import { nameDatabase, openLocalDrivers } from "./drivers.ts";

/**
 * Creates the instance that the settings describe: its database is migrated and its keys are checked, and its worker
 * has not started.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 */
export async function openInstance(config: Config, plugins: readonly Plugin[] = []): Promise<Sealpost> {
  const drivers = await openLocalDrivers(config);
  const sealpost = createSealpost({ ...drivers, ...sealpostOptionsOf(config), plugins, ui: true });
  try {
    await internalsOf(sealpost).prepare();
    return sealpost;
  } catch (error) {
    await sealpost[Symbol.asyncDispose]();
    throw nameDatabase(error, config);
  }
}
