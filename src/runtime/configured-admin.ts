import type { Config } from "../config.ts";
import { SealpostError } from "../errors.ts";
import type { Sealpost } from "../sealpost.ts";
import { invalidSetting } from "./invalid-setting.ts";

/**
 * Creates the first admin with the password in the settings.
 * @returns `false` if an admin exists.
 * @throws {SealpostError} `bad_setting` if the password is not allowed.
 */
export async function createConfiguredAdmin(
  { adminUser: username, adminPassword }: Config,
  sealpost: Sealpost,
): Promise<boolean> {
  try {
    return await sealpost.makeFirstAdmin({ username, password: adminPassword.reveal() });
  } catch (error) {
    if (!(error instanceof SealpostError && error.code === "invalid_parameter")) throw error;
    const [, expected = ""] = error.message.split("password: ");
    throw invalidSetting("SEALPOST_ADMIN_PASSWORD", `SEALPOST_ADMIN_PASSWORD: ${expected}`, error);
  }
}
