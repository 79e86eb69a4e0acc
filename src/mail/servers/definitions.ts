import type { AssertReroute, Reroutes, Usage } from "../../access/reroutes.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { BoundedCache } from "../../domain/cache.ts";
import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import { parseEndpoint } from "../../domain/endpoint.ts";
import { senderOf } from "../../domain/mailbox.ts";
import type { Secret } from "../../domain/secret.ts";
import {
  type KeyAddresses,
  type ResolvedServer,
  resolveFurther,
  SECRET_NAMES,
  type SecretName,
  type ServerDefinition,
  type SigningSource,
  usesTokens,
} from "../../domain/smtp-server.ts";
import { invalidParameter, SealpostError } from "../../errors.ts";
import type { DefinitionTokens } from "../../oauth/access-tokens.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { open, seal } from "../../secrets/seal.ts";
import type { Inspection } from "../../smime/identity.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { Epoch } from "../../storage/epoch.ts";
import { untilCommitted } from "../../storage/epoch.ts";
import { type SmtpServerRepository, type SmtpServerRow, versionKey } from "../../storage/smtp-servers.ts";
import type { Circuit } from "../circuit.ts";
import type { TokensFor } from "../oauth/definition-tokens.ts";
import { inspectSource, namesOf } from "./check-identity.ts";
import { decodeSigningKey } from "./signing-key.ts";

/** An encrypted column: a secret of the definition, or the key that was decrypted when it was saved. */
type SealedField = SecretName | "signingKey";

/** A definition as GET shows it. */
export interface StoredDefinition extends Omit<ServerDefinition, SecretName> {
  readonly identifier: string;
  /** `null` if there is a password that no key of this instance decrypts. */
  readonly password: Secret | null;
  /** The secrets that have a value. */
  readonly isSet: Readonly<Record<SecretName, boolean>>;
  readonly etag: string;
}

/** Whether an ETag is among those that a request names. */
export type EtagCondition = (etag: string) => boolean;

/** Stored definitions. */
export interface Servers {
  list(): Promise<readonly StoredDefinition[]>;
  /** Returns the names of all definitions, without decrypting secrets. */
  names(): Promise<readonly string[]>;
  get(identifier: string): Promise<StoredDefinition | null>;
  /** Returns the current definition, ready to send through. */
  load(identifier: string): Promise<ResolvedServer | null>;
  /** Inspects key and certificate of a definition. `null` if it has none of them. */
  inspect(identifier: string): Promise<Inspection | null>;
  /**
   * Returns a stored secret that a request uses by `__CENSORED__`, decrypted.
   * @throws {SealpostError} `invalid_parameter` if there is none, or no key decrypts it.
   */
  openStored(stored: SmtpServerRow | undefined, field: SecretName): Promise<Secret>;
  /** Returns the addresses that the key of a definition was given for. */
  givenFor(stored: SmtpServerRow): Promise<KeyAddresses>;
  /** Encrypts a value for the row of a definition. */
  sealField(id: string, field: SealedField, text: string): Promise<string>;
  /**
   * Deletes a definition. Returns whether it existed.
   * @param conditions.ifMatch the ETags of which one must be the current one; `null` if any will do.
   * @param conditions.assertReroute called before mail of plugins goes nowhere, or elsewhere. Absent for the operator.
   * @throws {SealpostError} `stale`.
   */
  remove(
    identifier: string,
    conditions: { readonly ifMatch: EtagCondition | null; readonly assertReroute?: AssertReroute },
    actor: AuditActor,
  ): Promise<boolean>;
  /** Returns the access tokens of a definition; `null` if it logs in with a password. */
  tokensOf(row: SmtpServerRow): Promise<DefinitionTokens | null>;
}

interface ServersDeps {
  readonly database: Database;
  readonly repository: SmtpServerRepository;
  readonly epoch: Epoch;
  readonly audit: AuditRepository;
  readonly circuit: Circuit;
  readonly keyring: Keyring;
  readonly tokensFor: TokensFor;
  readonly reroutes: Reroutes;
  /** Returns whose mail a definition routes. */
  readonly usageOf: (identifier: string) => Promise<Usage>;
  readonly platform: Platform;
}

/** Definitions that are cached with their secrets decrypted, so that a list does not decrypt a hundred passwords each time. */
const MAX_CACHED = 2_000;

/** Creates access to stored definitions. */
export function createServers(deps: ServersDeps): Servers {
  const { repository, keyring, platform } = deps;
  const { view, resolve, tokensOf } = createReader(deps);
  /** The list that was shown last; it is current as long as the rows are the same objects. */
  let listed: {
    readonly rows: readonly SmtpServerRow[];
    readonly views: readonly StoredDefinition[];
  } | null = null;

  return {
    async list() {
      const rows = await repository.list();
      if (listed?.rows === rows) return listed.views;
      const views = await Promise.all(rows.map(view));
      listed = { rows, views };
      return views;
    },

    names: async () => (await repository.list()).map(({ identifier }) => identifier),

    async get(identifier) {
      const row = await repository.find(identifier);
      return row ? view(row) : null;
    },

    async load(identifier) {
      const row = await repository.find(identifier);
      return row ? resolve(row) : null;
    },

    async inspect(identifier) {
      const row = await repository.find(identifier);
      if (!row?.privateKey && !row?.certificate) return null;
      return inspectSource(signingSource(keyring, row), platform.now());
    },

    async openStored(stored, field) {
      if (!stored?.[field]) throw nothingStored(field);
      try {
        return await openField(keyring, stored, field);
      } catch (error) {
        if (!isUnsealable(error)) throw error;
        throw invalidParameter(columnOf(field), "the stored value cannot be decrypted; send it again");
      }
    },

    async givenFor(stored) {
      const source = signingSource(keyring, stored);
      const given = await source.givenFor();
      // Older versions stored no addresses with the key.
      const sender = given?.sender ?? senderOf(stored)?.address ?? null;
      const named = given?.named ?? namesOf(await inspectSource(source, platform.now()));
      return { sender, named };
    },

    async sealField(id, field, text) {
      return seal(keyring, text, { table: "smtp_server", row: id, column: columnOf(field) }, platform);
    },

    remove: (...call) => untilCommitted(deps.epoch, () => remove(deps, ...call)),

    tokensOf,
  };
}

/**
 * Reads rows. Definitions are cached by version: each change has another version, and a definition that was deleted and
 * created again has another id.
 */
function createReader({ keyring, tokensFor }: Pick<ServersDeps, "keyring" | "tokensFor">) {
  const viewed = new BoundedCache<StoredDefinition>(MAX_CACHED);
  const resolved = new BoundedCache<ResolvedServer>(MAX_CACHED);

  async function view(row: SmtpServerRow): Promise<StoredDefinition> {
    const key = versionKey(row);
    const cached = viewed.get(key);
    if (cached) return cached;
    const password = await openField(keyring, row, "password").catch((error) => {
      if (isUnsealable(error)) return null;
      throw error;
    });
    const definition = { ...withoutSecrets(row), password, isSet: isSetOf(row), etag: etagOf(row) };
    if (password) viewed.set(key, definition);
    return definition;
  }

  async function resolve(row: SmtpServerRow): Promise<ResolvedServer> {
    const key = versionKey(row);
    const cached = resolved.get(key);
    if (cached) return cached;
    const endpoint = parseEndpoint(row);
    if (endpoint === null) throw new SealpostError("internal", "A stored definition has an invalid server");
    const { identifier, username, sender, dontSendOnError, enqueueJob } = row;
    const server = {
      ...endpoint,
      ...resolveFurther(row),
      identifier,
      poolKey: key,
      username,
      password: (await view(row)).password ?? (await openField(keyring, row, "password")),
      tlsPrivateKey: await openField(keyring, row, "tlsPrivateKey"),
      tokens: await tokensOf(row),
      timeoutMs: row.timeout * 1000,
      sender,
      dontSendOnError,
      enqueueJob,
      signing: row.smime ? signingSource(keyring, row) : null,
    };
    resolved.set(key, server);
    return server;
  }

  async function tokensOf(row: SmtpServerRow): Promise<DefinitionTokens | null> {
    if (!usesTokens(row.auth, parseEndpoint(row)?.protocol)) return null;
    const read = (name: SecretName) => openField(keyring, row, name);
    return tokensFor({ identifier: row.identifier, stored: row, fields: row, read });
  }

  return { view, resolve, tokensOf };
}

function signingSource(keyring: Keyring, row: SmtpServerRow): SigningSource {
  const stored = async () => decodeSigningKey((await openField(keyring, row, "signingKey")).reveal());
  return {
    cacheKey: versionKey(row),
    certificate: row.certificate,
    pss: row.smimePss,
    decryptedKey: async () => (await stored()).pkcs8,
    givenFor: async () => (await stored()).givenFor,
    originalKey: async () => ({
      pem: await openField(keyring, row, "privateKey"),
      passphrase: await openField(keyring, row, "privateKeyPassword"),
    }),
  };
}

/** @returns `null` if the caller's rights have changed meanwhile. */
async function remove(
  { database, repository, epoch, audit, circuit, reroutes, usageOf, platform }: ServersDeps,
  ...[identifier, { ifMatch, assertReroute }, actor]: Parameters<Servers["remove"]>
): Promise<boolean | null> {
  const row = await repository.find(identifier);
  if (!row) {
    if (ifMatch) throw staleError();
    const outcome = { success: false, identifier, info: "there was none" };
    await database.append(audit.insert(auditEntry(actor, platform.now(), outcome)));
    return false;
  }
  if (ifMatch && !ifMatch(etagOf(row))) throw staleError();
  const change = { identifier, change: "deleted" };
  const reroute = await reroutes.allow(change, () => usageOf(identifier), assertReroute);
  const entry = auditEntry(actor, platform.now(), { success: true, identifier, info: reroute.info });
  const results = await epoch.commit(
    [],
    [repository.remove(row), audit.insertIfChanged(entry), ...circuit.reset(identifier)],
  );
  if (results === null || results[0].rowsAffected === 0) return null;
  reroute.report(actor);
  return true;
}

function columnOf(field: SealedField): string {
  return field === "signingKey" ? "signing_key" : DEFINITION_FIELDS[field].parameter;
}

async function openField(keyring: Keyring, row: SmtpServerRow, field: SealedField): Promise<Secret> {
  return open(keyring, row[field], { table: "smtp_server", row: row.id, column: columnOf(field) });
}

function withoutSecrets(row: SmtpServerRow): Omit<SmtpServerRow, SealedField> {
  const sealed: readonly string[] = [...SECRET_NAMES, "signingKey"];
  const plain = Object.entries(row).filter(([name]) => !sealed.includes(name));
  return Object.fromEntries(plain) as Omit<SmtpServerRow, SealedField>;
}

function isSetOf(row: SmtpServerRow): StoredDefinition["isSet"] {
  const isSet = SECRET_NAMES.map((name) => [name, row[name] !== ""] as const);
  return Object.fromEntries(isSet) as Record<SecretName, boolean>;
}

/** The error for `__CENSORED__` where no value is stored. */
export function nothingStored(field: SecretName): SealpostError {
  const { parameter } = DEFINITION_FIELDS[field];
  const name = parameter.replaceAll("_", " ");
  return invalidParameter(parameter, `no stored value to keep; send the ${name} itself`);
}

/** Returns a strong ETag (RFC 9110 8.8.3). It differs after each change, and for a definition that was created again. */
export function etagOf(row: Pick<SmtpServerRow, "etagSeed" | "version">): string {
  return `"${row.etagSeed}-${row.version}"`;
}

export function staleError(): SealpostError {
  return new SealpostError("stale", "The definition was changed by another request: read it again");
}

export function serverNotFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested SMTPServer could not be found.");
}

function isUnsealable(error: unknown): boolean {
  return error instanceof SealpostError && error.code === "unsealable";
}
