import { nameKey } from "../domain/names.ts";
import { invalidParameter } from "../errors.ts";
import mostUsed from "./common-passwords.txt" with { type: "text" };

/** NIST SP 800-63B-4 3.1.1.2, for passwords that a rate limit protects. */
const MIN_PASSWORD_CHARACTERS = 8;

const COMMON: ReadonlySet<string> = new Set(mostUsed.trim().split("\n"));

/** The user of a new password, and its minimum length. */
export interface PasswordPurpose {
  /** Name of the user or admin. */
  readonly username: string;
  /** Minimum length in characters (code points) if it is more than 8. */
  readonly minCharacters?: number;
}

/**
 * Rejects a new password that is too short, among the 10,000 most used, or the name of its user. There are no rules of
 * composition.
 * @throws {SealpostError} `invalid_parameter` for `password`.
 */
export function assertAllowed(password: string, { username, minCharacters = 0 }: PasswordPurpose): void {
  const text = password.normalize("NFC");
  const min = Math.max(minCharacters, MIN_PASSWORD_CHARACTERS);
  if ([...text].length < min) throw invalidParameter("password", `expected at least ${min} characters`);
  if (COMMON.has(text.toLowerCase()))
    throw invalidParameter("password", "expected one that is not among the 10,000 most used passwords");
  if (nameKey(text) === nameKey(username))
    throw invalidParameter("password", "expected another text than the name of the user");
}
