import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Directory, type Env, invalidParameter, missingParameter } from "sealpost/plugin";
import { CHANNELS } from "./channels.ts";
import type { TokenContext } from "./config.ts";
import type { FoundTokens, Owners, Pins } from "./owners.ts";
import type { InitParams } from "./schema.ts";
import { MAX_TOKENS_PER_USER, type TokenRow } from "./store.ts";

const SERIAL_CHARACTERS = 8;
const HEX = "0123456789ABCDEF";

/**
 * Turns parameters into a token.
 * @throws {SealpostError} `invalid_parameter`, `missing_parameter`, `user_refused` or `busy`.
 */
export type Enroll = (c: Context<Env>, params: InitParams) => Promise<TokenRow>;

/** Creates `enroll`. @param hasSms whether a plugin provides `sms`. */
export function createEnroll({
  random,
  time,
  directory,
  owners,
  pins,
  hasSms,
}: Pick<TokenContext, "random" | "time"> & {
  readonly directory: Directory | null;
  readonly owners: Owners;
  readonly pins: Pins;
  readonly hasSms: boolean;
}): Enroll {
  return async (c, params) => {
    const { type, otplen, description } = params;
    if (type === "sms" && !hasSms) throw invalidParameter("type", "no plugin sends SMS");
    const address = addressOf(params, directory !== null);
    const found = await findOwner(owners, params);
    const pinHash = await pinHashOf(pins, { c, pin: params.pin, found });
    const { owner } = found;
    return {
      serial: params.serial || CHANNELS[type].serialPrefix + random.text(SERIAL_CHARACTERS, HEX),
      type,
      userId: owner?.id ?? "",
      username: owner?.username ?? "",
      realm: owner?.realm ?? "",
      address,
      pinHash,
      otpLength: otplen,
      description,
      failCount: 0,
      sentAt: new Date(0),
      transactionId: "",
      createdAt: time.now(),
      active: true,
      revoked: false,
      rolloutState: "",
      identifier: "",
    };
  };
}

/** @throws {SealpostError} `user_refused` if the user does not exist. */
async function findOwner(owners: Owners, { user, realm }: InitParams): Promise<FoundTokens> {
  if (user === "") return { owner: null, rows: [], hasOldPins: false };
  const found = await owners.search({ user, realm, serial: "" });
  if (found.owner) return found;
  throw new SealpostError("user_refused", "ERR904: The user does not exist", { parameter: "user" });
}

/** All tokens of a user share a PIN: with one PIN per token, the time of a check would reveal their number. */
async function pinHashOf(
  pins: Pins,
  { c, pin, found }: { readonly c: Context<Env>; readonly pin: string; readonly found: FoundTokens },
): Promise<string> {
  const { rows: others, hasOldPins } = found;
  if (others.length >= MAX_TOKENS_PER_USER) {
    throw invalidParameter("user", `has ${MAX_TOKENS_PER_USER} tokens, which is the maximum`);
  }
  const stored = others.find((other) => other.pinHash !== "")?.pinHash ?? "";
  if (stored === "") return pin === "" ? "" : pins.hash(pin);
  if (pin === "") return stored;
  const { ok, renewed } = await pins.verify(c, pin, stored, { hasOldPins });
  if (ok) return renewed ?? stored;
  throw invalidParameter(
    "pin",
    "the user's other tokens have a different PIN; send that PIN, or none to share it",
  );
}

/** Returns the fixed address, or an empty text if the directory's address is used at the time of sending. */
function addressOf(params: InitParams, hasDirectory: boolean): string {
  const [fixed, dynamic] =
    params.type === "email" ? (["email", "dynamic_email"] as const) : (["phone", "dynamic_phone"] as const);
  if (!params[dynamic]) {
    const address = params[fixed];
    if (address) return address;
    throw missingParameter(fixed);
  }
  if (!hasDirectory) throw invalidParameter(dynamic, "there is no directory");
  if (params.user === "") throw missingParameter("user");
  return "";
}
