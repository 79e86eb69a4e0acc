import { getLogger } from "@logtape/logtape";
import type { Config } from "../../config.ts";
import type { Sealpost } from "../../sealpost.ts";
import { createConfiguredAdmin } from "../configured-admin.ts";
import { cliCommand, PLATFORM } from "../platform.ts";

const log = getLogger(["sealpost", "entry"]);

/** 120 bits: 20 characters of base64url. */
const PASSWORD_BYTES = 15;

/** The text that a start prints for the operator. */
interface Welcome {
  readonly url: URL;
  /** `null` if there is no password to show. */
  readonly password: string | null;
  /** Printed below the first line. */
  readonly remark?: string;
  /** Printed next to the password. */
  readonly passwordRemark: string;
}

/**
 * @returns the password to print, if this process created the admin and the settings give no password.
 * @throws {SealpostError} `bad_setting` if the password in the settings is not allowed.
 */
export async function createFirstAdmin(config: Config, sealpost: Sealpost): Promise<string | null> {
  if (!config.adminPassword.isEmpty) {
    if (!(await createConfiguredAdmin(config, sealpost))) {
      log.info(
        "An admin exists already, so SEALPOST_ADMIN_PASSWORD has no effect: {command} sets a new password",
        { command: `${cliCommand()} admin passwd ${config.adminUser}` },
      );
    }
    return null;
  }
  const password = randomPassword();
  return (await sealpost.makeFirstAdmin({ username: config.adminUser, password })) ? password : null;
}

/** A password that no one needs to choose. */
export function randomPassword(): string {
  return PLATFORM.randomBytes(PASSWORD_BYTES).toBase64({ alphabet: "base64url" });
}

/** Prints the URL, and for a new admin the password and how to log in. */
export function printWelcome(
  { adminUser }: Config,
  { url, password, remark, passwordRemark }: Welcome,
): void {
  const lines = [`Sealpost is listening on ${url.origin}`, ...(remark ? [remark] : [])];
  if (password !== null) {
    lines.push(
      "",
      `  Admin:    ${adminUser}`,
      `  Password: ${password}   (${passwordRemark})`,
      "",
      `Open ${url.origin}/ in a browser, or log in with curl:`,
      `  curl ${url.origin}/auth -d username=${adminUser} -d password=…`,
      `The interface is described at ${url.origin}/openapi.json`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
