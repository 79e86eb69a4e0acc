import type { Config } from "../../config.ts";
import type { Platform } from "../../contracts/platform.ts";
import { Secret } from "../../domain/secret.ts";
import type { Services } from "../../services.ts";

/** 120 bits: 20 characters of base64url. */
const PASSWORD_BYTES = 15;

/** What somebody who starts a server is told. */
export interface Welcome {
  readonly url: URL;
  /** Null: nothing to show. */
  readonly password: string | null;
  /** What is said beside the first line, and beside the password. */
  readonly remark?: string;
  readonly passwordRemark: string;
}

/** @returns the password to show, if this process made the admin and the password is not the owner's own. */
export async function makeFirstAdmin(
  { adminUser, adminPassword }: Config,
  { admins }: Services,
  platform: Platform,
): Promise<string | null> {
  // Spares the second that a hash may take; of several processes that see none, one makes him.
  if ((await admins.list()).length > 0) return null;
  const random = platform.randomBytes(PASSWORD_BYTES).toBase64({ alphabet: "base64url" });
  const isGiven = !adminPassword.isEmpty;
  const made = await admins.makeFirst(
    { username: adminUser, realm: "" },
    isGiven ? adminPassword : new Secret(random),
  );
  return made && !isGiven ? random : null;
}

/** Where the server is, and with a new admin's password how to go on. */
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
      "Log in:",
      `  curl ${url.origin}/auth -d username=${adminUser} -d password=…`,
      `The interface is described at ${url.origin}/openapi.json`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
