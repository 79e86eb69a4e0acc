import type { Context } from "hono";
import {
  addressKey,
  type ConfigValues,
  type DirectoryUser,
  type Env,
  language,
  nameKey,
  type PluginContext,
  parseMailbox,
  SealpostError,
} from "sealpost";
import { codeText, newCode } from "./code.ts";
import { codeMail, existingMail } from "./message.ts";
import type { PendingRepository } from "./pending.ts";
import { isEmailAllowed } from "./required-email.ts";
import type { RegisterParams } from "./schema.ts";
import type { Settings } from "./settings.ts";
import type { PendingRow } from "./tables.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const HOUR_SECONDS = 3_600;
const FROM_CLIENT = { key: "register", most: 20, windowSeconds: HOUR_SECONDS };
/** Mails with a code that one address gets, and mails that the owner of a name gets, whoever asks for them. */
const OF_MAILS = { most: 5, windowSeconds: HOUR_SECONDS };

export interface RegistrationParts {
  readonly ctx: PluginContext<Settings>;
  readonly pending: PendingRepository;
}
type Row = Omit<PendingRow, "tries" | "confirmedBy">;
export interface Begun {
  readonly id: string;
  readonly expiresAt: string;
}

/** Makes what keeps a registration until it is confirmed, and mails its code. */
export function createRegister({ ctx, pending }: RegistrationParts) {
  /** @throws {SealpostError} `registration_refused`, `too_many_tries`. */
  return async (c: Context<Env>, given: RegisterParams): Promise<Begun> => {
    const settings = await ctx.config.all();
    const directory = ctx.use("directory");
    const realm = settings["register.realm"] || directory.defaultRealm;
    const { username, email } = given;
    const target = { identifier: `${username}@${realm}`, recipient: email };
    const texts = TEXTS[language(c, LANGUAGES)];
    const refuse = async (info: string, text: string) => {
      await ctx.audit(c, { success: false, info, ...target });
      return new SealpostError("registration_refused", `ERR402: ${text}`);
    };
    c.set("eventData", { user: username, realm });
    if (!settings["register.enabled"]) throw await refuse("closed", texts.closed);
    await ctx.limit.require(...ctx.limit.ofClient(c, FROM_CLIENT));
    if (!isEmailAllowed(settings["register.requiredemail"], email)) {
      throw await refuse("email_not_allowed", texts.emailNotAllowed);
    }
    return ctx.once(c, [given, realm], async () => {
      const ofAddress = { key: `for ${addressKey(email)}`, ...OF_MAILS };
      await ctx.limit.require(ofAddress);
      const owner = await directory.find({ username, realm });
      if (owner && !settings["register.hide_existing"]) throw await refuse("name_taken", texts.nameTaken);
      // From here on a name that is taken costs what one that is free does: the same hash, reads, writes and mail.
      const code = newCode(ctx.randomText);
      const row = await toRow(c, given, realm, code, settings["register.validtime"]).catch(async (error) => {
        // A flood of hashes must not use up the messages of an address.
        await ctx.limit.giveBack(ofAddress);
        throw error;
      });
      const info = owner ? "name_taken" : "";
      await ctx.store.commit([pending.insert(row), ctx.auditRow(c, { success: true, info, ...target })]);
      if (await send(c, { row, code, owner, settings })) return toBegun(row);
      await ctx.store.commit([pending.remove(row.id)]);
      throw await refuse("mail_failed", texts.notSent);
    });
  };

  async function toRow(
    c: Context<Env>,
    given: RegisterParams,
    realm: string,
    code: string,
    seconds: number,
  ): Promise<Row> {
    const { password, phone, mobile, ...person } = given;
    const id = ctx.newId();
    return {
      ...{ id, userId: ctx.newId(), ...person, realm, phone: phone ?? mobile ?? "" },
      passwordHash: await ctx.password.hash(password, { request: c }),
      codeMac: await ctx.mac(codeText(id, code)),
      expiresAt: new Date(ctx.now().getTime() + seconds * 1_000),
    };
  }

  /** @returns false: no mail can be sent to anybody at present. */
  async function send(
    c: Context<Env>,
    mail: {
      readonly row: Row;
      readonly code: string;
      readonly owner: DirectoryUser | null;
      readonly settings: ConfigValues<Settings>;
    },
  ): Promise<boolean> {
    const { row, code, owner, settings } = mail;
    const parts = { settings, row, language: language(c, LANGUAGES), url: ctx.baseUrl };
    // By name, taken or not: the same row is written for both, and a free name is not locked by it.
    const key = `owner of ${row.realm} ${nameKey(row.username)}`;
    const { allowed } = await ctx.limit.take({ key, ...OF_MAILS });
    // A host's directory may have anything there; what is no address must not be told by an error.
    const ofOwner = parseMailbox(owner?.email ?? "")?.address;
    const reachable = owner === null || (ofOwner !== undefined && allowed);
    const message = ofOwner !== undefined && reachable ? existingMail(parts, ofOwner) : codeMail(parts, code);
    const sent = await ctx.mail.submit(undefined, message, {
      purpose: "code",
      // The same code twice does no harm, and one that is lost does.
      onUnknown: "repeat",
      expiresAt: row.expiresAt,
      // How long a mail server takes for whom is nobody's business.
      queue: true,
      decoy: !reachable,
      request: c,
    });
    return sent.state !== "failed";
  }
}

function toBegun({ id, expiresAt }: Row): Begun {
  return { id, expiresAt: expiresAt.toISOString() };
}
