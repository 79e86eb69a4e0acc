import { sql } from "drizzle-orm";
import type { Context } from "hono";
import { SealpostError } from "sealpost";
import {
  addressKey,
  type Directory,
  type DirectoryLookup,
  type DirectoryUser,
  type Env,
  language,
  nameKey,
  parseMailbox,
  type RateLimit,
  type Statement,
  type UserName,
} from "sealpost/plugin";
import type { RegistrationContext, RegistrationSettings } from "./config.ts";
import { codeText } from "./confirm.ts";
import { codeMessage, existingMessage } from "./message.ts";
import { imitation, readName } from "./names.ts";
import { isEmailAllowed } from "./required-email.ts";
import type { RegisterParams } from "./schema.ts";
import type { NewPending, PendingStore } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const HOUR_SECONDS = 3_600;
const PER_CLIENT = { key: "register", max: 20, windowSeconds: HOUR_SECONDS };
/** Messages that one client causes to an address or to the owner of a name, so that it cannot use up those of others. */
const PER_CLIENT_AND_RECIPIENT = { max: 3, windowSeconds: HOUR_SECONDS };
/** Messages with a code to one address, regardless of who causes them. */
const PER_ADDRESS = { max: 25, windowSeconds: HOUR_SECONDS };
/** Messages to the owner of one name. Fewer, because the owner needs none of them. */
const PER_OWNER = { max: 5, windowSeconds: HOUR_SECONDS };

/** Without characters that look alike: 0 O, 1 I L. */
const CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";
/** 49 bits, which cannot be guessed in five attempts. */
const CODE_CHARACTERS = 10;
const CODE_GROUP = 5;

/** A stored registration. Also stored for repeated requests, so the field names must not change. */
interface PendingRegistration {
  readonly id: string;
  readonly expiresAt: string;
}

/** One request to register. */
interface RegistrationRequest {
  readonly c: Context<Env>;
  readonly given: RegisterParams;
  readonly settings: RegistrationSettings;
  readonly realm: string;
  readonly directory: Directory;
}

/**
 * Stores a registration until it is confirmed, and sends its code.
 * @throws {SealpostError} `registration_refused` or `too_many_tries`.
 */
type Register = (c: Context<Env>, given: RegisterParams) => Promise<PendingRegistration>;

interface RegisterDeps
  extends Pick<
    RegistrationContext,
    | "mail"
    | "store"
    | "settings"
    | "guard"
    | "audit"
    | "secrets"
    | "limits"
    | "capabilities"
    | "time"
    | "random"
    | "idempotent"
    | "baseUrl"
  > {
  readonly pending: PendingStore;
}

export function createRegister(deps: RegisterDeps): Register {
  const { limits, capabilities, idempotent, secrets } = deps;
  let isPrepared = false;
  return async (c, given) => {
    await secrets.password.assertAllowed(given.password, given);
    const directory = capabilities.use("directory");
    if (!isPrepared) await directory.lookup?.lookAlikes?.prepare();
    isPrepared = true;
    const client = limits.perClient(c, PER_CLIENT);
    // Do not query an external directory for a client that asks too often.
    if (!directory.lookup) await limits.consume(...client);
    const settings = await deps.settings.all();
    const realm = settings["register.realm"] || directory.defaultRealm;
    const texts = TEXTS[language(c, LANGUAGES)];
    c.set("eventData", { user: given.username, realm });
    const request = { c, given, settings, realm, directory };
    if (!settings["register.enabled"]) throw await rejected(deps, request, "closed", texts.closed);
    if (!isEmailAllowed(settings["register.requiredemail"], given.email)) {
      await limits.consume(...(directory.lookup ? client : []));
      throw await rejected(deps, request, "email_not_allowed", texts.emailNotAllowed);
    }
    return idempotent(c, [given, realm], () => register(deps, request, directory.lookup ? client : []));
  };
}

async function register(
  deps: RegisterDeps,
  request: RegistrationRequest,
  client: readonly RateLimit[],
): Promise<PendingRegistration> {
  const { store, random } = deps;
  const { c, settings } = request;
  const texts = TEXTS[language(c, LANGUAGES)];
  const { isTaken, owner, isOwnerReachable, refunds } = await countRequest(deps, request, client);
  if (isTaken && !settings["register.hide_existing"]) {
    await store.commit(refunds.owner);
    throw await rejected(deps, request, "name_taken", texts.nameTaken);
  }
  // From here on, a taken name costs as much as a free one: the same hash, reads, writes and message.
  const characters = random.text(CODE_CHARACTERS, CODE_ALPHABET);
  const code = `${characters.slice(0, CODE_GROUP)}-${characters.slice(CODE_GROUP)}`;
  const row = await toRow(deps, request, code).catch(async (error) => {
    // A flood of hashes must not use up the messages of an address.
    await store.commit([...refunds.address, ...refunds.owner]);
    throw error;
  });
  if (await send(deps, request, { row, code, isTaken, owner, isOwnerReachable })) {
    return { id: row.id, expiresAt: row.expiresAt.toISOString() };
  }
  throw await rejected(deps, request, "mail_failed", texts.notSent);
}

/** Writes an audit row and returns the error. */
async function rejected(
  { audit }: Pick<RegisterDeps, "audit">,
  request: RegistrationRequest,
  info: string,
  text: string,
): Promise<SealpostError> {
  await audit.write(request.c, { success: false, info, ...targetOf(request) });
  return new SealpostError("registration_refused", `ERR402: ${text}`);
}

function targetOf({ given, realm }: RegistrationRequest) {
  return { identifier: `${given.username}@${realm}`, recipient: given.email };
}

interface CountedRequest {
  /** Whether a user has the name or one that looks alike, or it may not be registered. */
  readonly isTaken: boolean;
  /** The user who already has the very name, or `null`. */
  readonly owner: DirectoryUser | null;
  readonly isOwnerReachable: boolean;
  readonly refunds: { readonly address: readonly Statement[]; readonly owner: readonly Statement[] };
}

/**
 * Counts the request and finds the owner of the name.
 * @throws {SealpostError} `too_many_tries` for the client or the address.
 */
async function countRequest(
  deps: Pick<RegisterDeps, "store" | "limits" | "guard">,
  { c, given, settings, realm, directory }: RegistrationRequest,
  client: readonly RateLimit[],
): Promise<CountedRequest> {
  const { store, limits } = deps;
  const recipientLimits = (key: string, total: Omit<RateLimit, "key">) => [
    ...limits.perClient(c, { key, ...PER_CLIENT_AND_RECIPIENT }),
    { key, ...total },
  ];
  const name = { username: given.username, realm };
  const found = directory.lookup ? null : await directory.find(name);
  const requested = await readName(deps, name, settings["register.scripts"]);
  const isImitation = imitation(directory, requested);
  const addressLimits = recipientLimits(`for ${addressKey(given.email)}`, PER_ADDRESS);
  const asked = await limits.planInOrder(...client, ...addressLimits);
  // Counted by name, taken or not: both write the same rows, and a free name is not blocked by it.
  const ownerKey = `owner of ${realm} ${nameKey(given.username)}`;
  const notified = await limits.planInOrder(...recipientLimits(ownerKey, PER_OWNER));
  const results: readonly unknown[] = await store.commit([
    ...asked.consume,
    ...notified.consume,
    ...notified.refund(sql`NOT (${asked.isWithin})`),
    ...(isImitation ? [store.write.all<{ found: number }>(sql`SELECT 1 AS found WHERE ${isImitation}`)] : []),
    ...(directory.lookup ? [selectUser(deps, directory.lookup, name)] : []),
  ]);
  const end = asked.consume.length + notified.consume.length;
  limits.assertAllowed(asked.result(results.slice(0, asked.consume.length)));
  const { allowed: isOwnerReachable } = notified.result(results.slice(asked.consume.length, end));
  const owner = directory.lookup ? directory.lookup.user(results.at(-1)) : found;
  const isImitated = isImitation !== null && (results.at(-2) as readonly unknown[]).length > 0;
  return {
    isTaken: owner !== null || requested.isReserved || isImitated,
    owner,
    isOwnerReachable,
    refunds: {
      address: (await limits.plan(...addressLimits)).refund(),
      owner: isOwnerReachable ? notified.refund() : [],
    },
  };
}

function selectUser(
  { store }: Pick<RegisterDeps, "store">,
  lookup: DirectoryLookup,
  name: UserName,
): Statement {
  return store.prepare(() => lookup.select(lookup.id))(lookup.values([name]));
}

async function toRow(
  { secrets, time, random }: Pick<RegisterDeps, "secrets" | "time" | "random">,
  { c, given, realm, settings }: RegistrationRequest,
  code: string,
): Promise<NewPending> {
  const { password, phone, mobile, ...person } = given;
  const id = random.id();
  return {
    id,
    userId: random.id(),
    ...person,
    realm,
    phone: phone ?? mobile ?? "",
    passwordHash: await secrets.password.hash(password, { request: c }),
    codeMac: await secrets.mac(codeText(id, code)),
    expiresAt: new Date(time.now().getTime() + settings["register.validtime"] * 1_000),
  };
}

/** Submits the message and stores the registration with it. @returns false if no message can be sent at present. */
async function send(
  { mail, audit, pending, baseUrl }: Pick<RegisterDeps, "mail" | "audit" | "pending" | "baseUrl">,
  request: RegistrationRequest,
  made: { readonly row: NewPending; readonly code: string } & Pick<
    CountedRequest,
    "isTaken" | "owner" | "isOwnerReachable"
  >,
): Promise<boolean> {
  const { c, settings } = request;
  const { row, code, isTaken, owner, isOwnerReachable } = made;
  const content = { settings, row, language: language(c, LANGUAGES), url: baseUrl };
  // A host's directory may hold any text. An invalid address must not cause an error, which would reveal the user.
  const ownerAddress = parseMailbox(owner?.email ?? "")?.address;
  const isReachable = !isTaken || (ownerAddress !== undefined && isOwnerReachable);
  const message =
    ownerAddress !== undefined && isReachable
      ? existingMessage(content, ownerAddress)
      : codeMessage(content, code);
  const entry = { success: true, info: isTaken ? "name_taken" : "", ...targetOf(request) };
  const { state } = await mail.submit(undefined, message, {
    purpose: "code",
    // Sending the same code twice is harmless, and losing it is not.
    onUnknown: "repeat",
    expiresAt: row.expiresAt,
    // Always queue: inline delivery would reveal by its duration whether the name is taken.
    queue: true,
    decoy: !isReachable,
    request: c,
    also: ({ state }) => (state === "failed" ? [] : [pending.insert(row), audit.row(c, entry)]),
  });
  return state !== "failed";
}
