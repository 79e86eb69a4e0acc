import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Directory, type Env, invalidParameter, missingParameter } from "sealpost/plugin";
import { WAYS } from "./channels.ts";
import type { TokenContext } from "./config.ts";
import type { Found, Owners, Pins } from "./owners.ts";
import type { InitParams } from "./schema.ts";
import { MOST_TOKENS_OF_USER, type TokenRow } from "./store.ts";

const SERIAL_CHARACTERS = 8;
const HEX = "0123456789ABCDEF";

/** Creates the function that turns parameters into a token. It throws for those that make no token. */
export function createEnrol(parts: {
  readonly ctx: TokenContext;
  readonly directory: Directory | null;
  readonly owners: Owners;
  readonly pins: Pins;
  /** Whether anybody sends short messages. */
  readonly hasSms: boolean;
}) {
  const { ctx, directory, owners, pins, hasSms } = parts;

  /** @throws {SealpostError} `user_refused`: there is no such user. */
  async function find({ user, realm }: InitParams): Promise<Found> {
    if (user === "") return { owner: null, rows: [], hasOldPins: false };
    const found = await owners.search({ user, realm, serial: "" });
    if (found.owner) return found;
    throw new SealpostError("user_refused", "ERR904: There is no such user", { parameter: "user" });
  }

  /** A PIN is the user's: with a PIN for each token, the time of a check would reveal how many there are. */
  async function pinHash(c: Context<Env>, pin: string, { rows: others, hasOldPins }: Found): Promise<string> {
    if (others.length >= MOST_TOKENS_OF_USER) {
      throw invalidParameter("user", `has ${MOST_TOKENS_OF_USER} tokens, and there cannot be more`);
    }
    const known = others.find((other) => other.pinHash !== "")?.pinHash ?? "";
    if (known === "") return pin === "" ? "" : pins.hash(pin);
    if (pin === "") return known;
    const { ok, renewed } = await pins.verify(c, pin, known, { hasOldPins });
    if (ok) return renewed ?? known;
    throw invalidParameter("pin", "the user's other tokens have another; give that, or none to take it over");
  }

  return async (c: Context<Env>, params: InitParams): Promise<TokenRow> => {
    const { type, otplen, description } = params;
    if (type === "sms" && !hasSms) throw invalidParameter("type", "there is nobody here who sends SMS");
    const address = addressOf(params, directory !== null);
    const found = await find(params);
    const { owner } = found;
    const hash = await pinHash(c, params.pin, found);
    const way = WAYS[type];
    return {
      serial: params.serial || way.serialPrefix + ctx.random.text(SERIAL_CHARACTERS, HEX),
      ...{ type, address, description, pinHash: hash, otpLength: otplen, failCount: 0 },
      ...{ userId: owner?.id ?? "", username: owner?.username ?? "", realm: owner?.realm ?? "" },
      ...{ sentAt: new Date(0), transactionId: "", createdAt: ctx.time.now() },
    };
  };
}

/** The fixed address; empty: as the directory has it. */
function addressOf(params: InitParams, hasDirectory: boolean): string {
  const [fixed, dynamic] =
    params.type === "email" ? (["email", "dynamic_email"] as const) : (["phone", "dynamic_phone"] as const);
  if (!params[dynamic]) {
    const address = params[fixed];
    if (address) return address;
    throw missingParameter(fixed);
  }
  if (!hasDirectory) throw invalidParameter(dynamic, "there is no directory here");
  if (params.user === "") throw missingParameter("user");
  return "";
}
