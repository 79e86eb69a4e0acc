import { sql } from "drizzle-orm";
import type { Context } from "hono";
import { SealpostError } from "sealpost";
import {
  addressKey,
  type DirectoryUser,
  type Env,
  language,
  nameKey,
  type PluginContext,
  parseMailbox,
  type RateLimit,
  type SettingValues,
} from "sealpost/plugin";
import { codeText, newCode } from "./code.ts";
import type { RegistrationSettings } from "./config.ts";
import { codeMail, existingMail } from "./message.ts";
import { isEmailAllowed } from "./required-email.ts";
import type { RegisterParams } from "./schema.ts";
import type { PendingRepository, PendingRow } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const HOUR_SECONDS = 3_600;
const FROM_CLIENT = { key: "register", max: 20, windowSeconds: HOUR_SECONDS };
/** Mails with a code that one address gets, and mails that the owner of a name gets, whoever asks for them. */
const OF_MAILS = { max: 5, windowSeconds: HOUR_SECONDS };

export interface RegistrationParts {
  readonly ctx: PluginContext<RegistrationSettings>;
  readonly pending: PendingRepository;
}
type Row = Omit<PendingRow, "tries" | "confirmedBy">;

/** One request. */
interface Registration {
  readonly c: Context<Env>;
  readonly given: RegisterParams;
  readonly settings: SettingValues<RegistrationSettings>;
  readonly realm: string;
}

export interface Begun {
  readonly id: string;
  readonly expiresAt: string;
}

/** Creates the function that keeps a registration until it is confirmed, and mails its code. */
export function createRegister({ ctx, pending }: RegistrationParts) {
  /** @throws {SealpostError} `registration_refused`, `too_many_tries`. */
  return async (c: Context<Env>, given: RegisterParams): Promise<Begun> => {
    const directory = ctx.capabilities.use("directory");
    const client = ctx.limits.perClient(c, FROM_CLIENT);
    // A directory that lies elsewhere is not asked by a client that asks too often.
    if (!directory.lookup) await ctx.limits.consume(...client);
    const settings = await ctx.settings.all();
    const realm = settings["register.realm"] || directory.defaultRealm;
    const texts = TEXTS[language(c, LANGUAGES)];
    c.set("eventData", { user: given.username, realm });
    const registration = { c, given, settings, realm };
    if (!settings["register.enabled"]) throw await refuse(registration, "closed", texts.closed);
    if (!isEmailAllowed(settings["register.requiredemail"], given.email)) {
      await ctx.limits.consume(...(directory.lookup ? client : []));
      throw await refuse(registration, "email_not_allowed", texts.emailNotAllowed);
    }
    return ctx.idempotent(c, [given, realm], () => register(registration, directory.lookup ? client : []));
  };

  async function refuse(
    { c, given, realm }: Registration,
    info: string,
    text: string,
  ): Promise<SealpostError> {
    const target = { identifier: `${given.username}@${realm}`, recipient: given.email };
    await ctx.audit.write(c, { success: false, info, ...target });
    return new SealpostError("registration_refused", `ERR402: ${text}`);
  }

  async function register(registration: Registration, client: readonly RateLimit[]): Promise<Begun> {
    const { c, given, settings, realm } = registration;
    const texts = TEXTS[language(c, LANGUAGES)];
    const { owner, isOwnerReachable, giveBack } = await count(registration, client);
    if (owner && !settings["register.hide_existing"]) {
      await ctx.store.commit(giveBack.owner);
      throw await refuse(registration, "name_taken", texts.nameTaken);
    }
    // From here on a name that is taken costs what one that is free does: the same hash, reads, writes and mail.
    const code = newCode(ctx.random.text);
    const row = await toRow(c, given, realm, code, settings["register.validtime"]).catch(async (error) => {
      // A flood of hashes must not use up the messages of an address.
      await ctx.store.commit([...giveBack.address, ...giveBack.owner]);
      throw error;
    });
    if (await send(registration, { row, code, owner, isOwnerReachable })) return toBegun(row);
    throw await refuse(registration, "mail_failed", texts.notSent);
  }

  /**
   * Counts the request, and finds the user who has the name already.
   * @throws {SealpostError} `too_many_tries` for the client or the address.
   */
  async function count({ given, realm }: Registration, client: readonly RateLimit[]) {
    const directory = ctx.capabilities.use("directory");
    const name = { username: given.username, realm };
    const found = directory.lookup ? null : await directory.find(name);
    const address = { key: `for ${addressKey(given.email)}`, ...OF_MAILS };
    // By name, taken or not: the same row is written for both, and a free name is not locked by it.
    const owner = { key: `owner of ${realm} ${nameKey(given.username)}`, ...OF_MAILS };
    const asked = await ctx.limits.plan(...client, address);
    const mailed = await ctx.limits.plan(owner);
    const results: readonly unknown[] = await ctx.store.commit([
      ...asked.consume,
      ...mailed.consume,
      ...mailed.refund(sql`NOT (${asked.isWithin})`),
      ...(directory.lookup ? [directory.lookup.select({ names: [name] })] : []),
    ]);
    const end = asked.consume.length + mailed.consume.length;
    ctx.limits.assertAllowed(asked.result(results.slice(0, asked.consume.length)));
    return {
      owner: directory.lookup ? directory.lookup.user(results.at(-1)) : found,
      isOwnerReachable: mailed.result(results.slice(asked.consume.length, end)).allowed,
      giveBack: {
        address: (await ctx.limits.plan(address)).refund(),
        owner: mailed.refund(),
      },
    };
  }

  async function toRow(
    c: Context<Env>,
    given: RegisterParams,
    realm: string,
    code: string,
    seconds: number,
  ): Promise<Row> {
    const { password, phone, mobile, ...person } = given;
    const id = ctx.random.id();
    return {
      ...{ id, userId: ctx.random.id(), ...person, realm, phone: phone ?? mobile ?? "" },
      passwordHash: await ctx.secrets.password.hash(password, { request: c }),
      codeMac: await ctx.secrets.mac(codeText(id, code)),
      expiresAt: new Date(ctx.time.now().getTime() + seconds * 1_000),
    };
  }

  /** Mails the code, and keeps the registration with it. @returns false: no mail can be sent at present. */
  async function send(
    { c, given, settings, realm }: Registration,
    mail: {
      readonly row: Row;
      readonly code: string;
      readonly owner: DirectoryUser | null;
      readonly isOwnerReachable: boolean;
    },
  ): Promise<boolean> {
    const { row, code, owner, isOwnerReachable } = mail;
    const parts = { settings, row, language: language(c, LANGUAGES), url: ctx.baseUrl };
    // A host's directory may have anything there; what is no address must not be told by an error.
    const ofOwner = parseMailbox(owner?.email ?? "")?.address;
    const reachable = owner === null || (ofOwner !== undefined && isOwnerReachable);
    const message = ofOwner !== undefined && reachable ? existingMail(parts, ofOwner) : codeMail(parts, code);
    const target = { identifier: `${given.username}@${realm}`, recipient: given.email };
    const entry = { success: true, info: owner ? "name_taken" : "", ...target };
    const sent = await ctx.mail.submit(undefined, message, {
      purpose: "code",
      // The same code twice does no harm, and one that is lost does.
      onUnknown: "repeat",
      expiresAt: row.expiresAt,
      // How long a mail server takes for whom is nobody's business.
      queue: true,
      decoy: !reachable,
      request: c,
      also: ({ state }) => (state === "failed" ? [] : [pending.insert(row), ctx.audit.row(c, entry)]),
    });
    return sent.state !== "failed";
  }
}

function toBegun({ id, expiresAt }: Row): Begun {
  return { id, expiresAt: expiresAt.toISOString() };
}
