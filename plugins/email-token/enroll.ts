import type { Context } from "hono";
import { SealpostError } from "sealpost";
import {
  type Directory,
  type DirectoryUser,
  type Env,
  invalidParameter,
  missingParameter,
  type Notice,
  notice,
  type Sms,
} from "sealpost/plugin";
import { CHANNELS } from "./channels.ts";
import type { TokenContext } from "./config.ts";
import type { ForeignAddresses } from "./foreign.ts";
import type { ChooseOwnPin, OwnPin } from "./own-pin.ts";
import type { FoundTokens, Owners } from "./owners.ts";
import type { InitParams } from "./schema.ts";
import { MAX_TOKENS_PER_USER, type TokenRow, type TokenStore } from "./store.ts";

const SERIAL_CHARACTERS = 8;
/** The definition or gateway if the settings name none. */
const DEFAULT_NAME = "default";
const HEX = "0123456789ABCDEF";

/** A token to create, or to replace the one with its serial. */
interface Enrollment {
  readonly row: TokenRow;
  readonly own: OwnPin;
  readonly owner: DirectoryUser | null;
  /** The token of the same user that has this serial. */
  readonly replaced: TokenRow | undefined;
  /** Its own server definition or gateway, if it is another one than that of the settings. */
  readonly reroute: Awaited<ReturnType<TokenContext["guard"]["rerouteOwn"]>>;
}

/**
 * Turns parameters into a token.
 * @throws {SealpostError} `invalid_parameter`, `missing_parameter`, `user_refused`, `conflict`, `action_denied`, or an error
 * of `ForeignAddresses` or `ChooseOwnPin`.
 */
export type Enroll = (c: Context<Env>, params: InitParams) => Promise<Enrollment>;

/** Creates `enroll`. @param sms `null` if no plugin provides it. */
export function createEnroll({
  random,
  time,
  settings,
  guard,
  directory,
  tokens,
  owners,
  foreign,
  chooseOwnPin,
  mail,
  sms,
}: Pick<TokenContext, "random" | "time" | "settings" | "guard" | "mail"> & {
  readonly directory: Directory | null;
  readonly tokens: Pick<TokenStore, "find">;
  readonly owners: Owners;
  readonly foreign: ForeignAddresses;
  readonly chooseOwnPin: ChooseOwnPin;
  readonly sms: Sms | null;
}): Enroll {
  return async (c, params) => {
    const { type, otplen, description } = params;
    if (type === "sms" && sms === null) throw invalidParameter("type", "no plugin sends SMS");
    const address = addressOf(params, directory !== null);
    const identifier = await identifierOf(params, { mail, sms });
    const found = await findOwner(owners, params);
    const { owner } = found;
    const replaced = params.serial ? await tokens.find(params.serial) : undefined;
    if (replaced) assertReplaceable(replaced, type, owner);
    else assertRoom(found.rows);
    const serial = params.serial || CHANNELS[type].serialPrefix + random.text(SERIAL_CHARACTERS, HEX);
    const change = await routeChange({ type, identifier }, replaced, settings);
    // Before the PIN, so that a rejected request is no attempt with one.
    const reroute = await guard.rerouteOwn(c, serial, change);
    await foreign.assertAllowed(c, { token: { serial: "", type, address }, owner });
    const own = await chooseOwnPin(c, params.pin, found);
    const row: TokenRow = {
      serial,
      type,
      userId: owner?.id ?? "",
      username: owner?.username ?? "",
      realm: owner?.realm ?? "",
      address,
      pinHash: own.pinHash,
      otpLength: otplen,
      description,
      failCount: replaced?.failCount ?? 0,
      sentAt: new Date(0),
      transactionId: "",
      createdAt: time.now(),
      active: replaced?.active ?? true,
      revoked: false,
      rolloutState: (await settings.get(CHANNELS[type].verifySetting)) ? "verify" : "",
      identifier,
    };
    return { row, own, owner, replaced, reroute };
  };
}

/** @throws {SealpostError} `user_refused` if the user does not exist. */
async function findOwner(owners: Owners, { user, realm }: InitParams): Promise<FoundTokens> {
  if (user === "") return { owner: null, rows: [], hasOldPins: false };
  const found = await owners.search({ user, realm, serial: "" });
  if (found.owner) return found;
  throw userUnknown();
}

export function userUnknown(): SealpostError {
  return new SealpostError("user_refused", "ERR904: The user does not exist", { parameter: "user" });
}

/** @throws {SealpostError} `invalid_parameter` if a user with these tokens cannot have another. */
export function assertRoom(others: readonly TokenRow[]): void {
  if (others.length < MAX_TOKENS_PER_USER) return;
  throw invalidParameter("user", `has ${MAX_TOKENS_PER_USER} tokens, which is the maximum`);
}

/** @throws {SealpostError} `conflict` unless the token is one of this user, of this type, and not revoked. */
function assertReplaceable(
  { userId, type, revoked }: TokenRow,
  newType: TokenRow["type"],
  owner: DirectoryUser | null,
): void {
  if (owner === null || userId !== owner.id) throw conflict("A token with this serial exists");
  if (type !== newType) throw conflict(`The token with this serial has the type ${type}`);
  if (revoked) throw conflict("The token with this serial is revoked");
}

export function conflict(message: string, cause?: unknown): SealpostError {
  return new SealpostError("conflict", message, { cause });
}

/**
 * Returns the server definition or gateway for the codes of a token, or an empty text for that of the settings.
 * @throws {SealpostError} `invalid_parameter` if there is none of this name, or if it is for tokens of another type.
 */
async function identifierOf(
  params: InitParams,
  { mail, sms }: Pick<TokenContext, "mail"> & { readonly sms: Sms | null },
): Promise<string> {
  const own = CHANNELS[params.type].identifierSetting;
  const other = CHANNELS[params.type === "email" ? "sms" : "email"].identifierSetting;
  if (params[other] !== "") throw invalidParameter(other, `tokens of type ${params.type} do not use it`);
  const name = params[own];
  if (name === "") return name;
  const names = params.type === "email" ? await mail.servers() : await sms?.gateways?.();
  if (names && !names.includes(name)) {
    throw invalidParameter(
      own,
      `there is no ${params.type === "email" ? "server definition" : "gateway"} of this name`,
    );
  }
  return name;
}

/**
 * Returns the parameter by which codes of a token go elsewhere than the settings say. Empty if it names none of its own, one
 * of the settings, or the one that the token had.
 */
async function routeChange(
  { type, identifier }: Pick<TokenRow, "type" | "identifier">,
  replaced: TokenRow | undefined,
  settings: TokenContext["settings"],
): Promise<string> {
  if (identifier === "" || identifier === replaced?.identifier) return "";
  const { identifierSetting } = CHANNELS[type];
  const configured = [await settings.get(identifierSetting)].flat().filter((name) => name !== "");
  const names = configured.length > 0 ? configured : [DEFAULT_NAME];
  return names.includes(identifier) ? "" : identifierSetting;
}

/** Returns the fixed address, or an empty text if the directory's address is used at the time of sending. */
function addressOf(params: InitParams, hasDirectory: boolean): string {
  const [fixed, dynamic] = CHANNELS[params.type].addressParameters;
  if (!params[dynamic]) {
    const address = params[fixed];
    if (address) return address;
    throw missingParameter(fixed);
  }
  if (!hasDirectory) throw invalidParameter(dynamic, "there is no directory");
  if (params.user === "") throw missingParameter("user");
  return "";
}

/** Returns a notice for each parameter of an address that only tokens of another type have. */
export function unusedAddresses(params: InitParams): readonly Notice[] {
  const { type } = params;
  return Object.values(CHANNELS)
    .filter((channel) => channel !== CHANNELS[type])
    .flatMap(({ addressParameters }) => addressParameters.filter((name) => params[name]))
    .map((name) => notice("unused_parameter", name, { name, type }));
}
