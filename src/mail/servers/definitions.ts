import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { BoundedCache } from "../../domain/bounded-cache.ts";
import { parseEndpoint } from "../../domain/endpoint.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ResolvedServer, ServerDefinition } from "../../domain/smtp-server.ts";
import { invalidParameter, SealpostError } from "../../errors.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { open, seal } from "../../secrets/seal.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { Epoch } from "../../storage/epoch.ts";
import { type SmtpServerRepository, type SmtpServerRow, versionKey } from "../../storage/smtp-servers.ts";
import { untilCommitted } from "../../storage/until-committed.ts";
import type { Circuit } from "../circuit.ts";

/** The sealed columns of a definition, by field. */
const SEALED_COLUMNS = {
  password: "password",
  privateKey: "private_key",
  privateKeyPassword: "private_key_password",
  signingKey: "signing_key",
} as const;
export type SealedField = keyof typeof SEALED_COLUMNS;

/** Definitions that are kept read and open, so that a list of all need not open a hundred passwords every time. */
const MOST_KEPT = 2_000;

/** What GET shows of a definition. */
export interface StoredDefinition
  extends Omit<ServerDefinition, "password" | "privateKey" | "privateKeyPassword"> {
  readonly identifier: string;
  /** Null: there is a password, and no key of this instance opens it. */
  readonly password: Secret | null;
  readonly hasPassword: boolean;
  readonly hasPrivateKey: boolean;
  readonly hasPrivateKeyPassword: boolean;
  readonly etag: string;
}
export type Servers = ReturnType<typeof createServers>;

/** Stored definitions: reading, deleting, and what sending needs of one. */
export function createServers(parts: {
  readonly database: Database;
  readonly repository: SmtpServerRepository;
  readonly epoch: Epoch;
  readonly audit: AuditRepository;
  readonly circuit: Circuit;
  readonly keyring: Keyring;
  readonly platform: Platform;
}) {
  const { database, repository, epoch, audit, circuit, keyring, platform } = parts;
  const kept = new BoundedCache<StoredDefinition>(MOST_KEPT);
  const ready = new BoundedCache<ResolvedServer>(MOST_KEPT);
  /** The list as it was shown last: as long as the rows are the same ones, it is. */
  let listed: {
    readonly rows: readonly SmtpServerRow[];
    readonly views: readonly StoredDefinition[];
  } | null = null;

  async function openField(row: SmtpServerRow, field: SealedField): Promise<Secret> {
    return open(keyring, row[field], { table: "smtp_server", row: row.id, column: SEALED_COLUMNS[field] });
  }

  /** Safe to keep: each change has another version, and a definition made anew another id. */
  async function view(row: SmtpServerRow): Promise<StoredDefinition> {
    const key = versionKey(row);
    const known = kept.get(key);
    if (known) return known;
    const opened = await openView(row);
    if (opened.password) kept.set(key, opened);
    return opened;
  }

  async function openView(row: SmtpServerRow): Promise<StoredDefinition> {
    const { privateKey, privateKeyPassword, signingKey: _, password: sealed, ...plain } = row;
    const password = await openField(row, "password").catch((error) => {
      if (isUnsealable(error)) return null;
      throw error;
    });
    return {
      ...plain,
      password,
      hasPassword: sealed !== "",
      hasPrivateKey: privateKey !== "",
      hasPrivateKeyPassword: privateKeyPassword !== "",
      etag: etagOf(row),
    };
  }

  async function sending(row: SmtpServerRow): Promise<ResolvedServer> {
    const key = versionKey(row);
    const known = ready.get(key);
    if (known) return known;
    const server = await openServer(row);
    ready.set(key, server);
    return server;
  }

  async function openServer(row: SmtpServerRow): Promise<ResolvedServer> {
    const endpoint = parseEndpoint(row);
    if (endpoint === null) throw new SealpostError("internal", "A stored definition has no usable server");
    const poolKey = versionKey(row);
    return {
      ...endpoint,
      identifier: row.identifier,
      poolKey,
      username: row.username,
      password: (await view(row)).password ?? (await openField(row, "password")),
      timeoutMs: row.timeout * 1000,
      sender: row.sender,
      dontSendOnError: row.dontSendOnError,
      enqueueJob: row.enqueueJob,
      maxConnections: row.maxConnections,
      pipelining: row.pipelining,
      authMechanism: row.authMechanism,
      signing: row.smime
        ? {
            cacheKey: poolKey,
            certificate: row.certificate,
            decryptedKey: async () => decodeKey(await openField(row, "signingKey")),
            originalKey: async () => ({
              pem: await openField(row, "privateKey"),
              passphrase: await openField(row, "privateKeyPassword"),
            }),
          }
        : null,
    };
  }

  return {
    /**
     * Opens a stored secret that a request keeps or borrows.
     * @throws {SealpostError} `invalid_parameter` that asks for it again if no key opens it.
     */
    async openKept(row: SmtpServerRow, field: SealedField): Promise<Secret> {
      try {
        return await openField(row, field);
      } catch (error) {
        if (!isUnsealable(error)) throw error;
        throw invalidParameter(
          SEALED_COLUMNS[field],
          "the stored one does not open, it was changed or moved; give it again",
        );
      }
    },

    /** Seals a value for a definition's row. */
    async sealField(id: string, field: SealedField, text: string): Promise<string> {
      const context = { table: "smtp_server", row: id, column: SEALED_COLUMNS[field] };
      return seal(keyring, text, context, platform);
    },

    async list(): Promise<readonly StoredDefinition[]> {
      const rows = await repository.list();
      if (listed?.rows === rows) return listed.views;
      const views = await Promise.all(rows.map(view));
      listed = { rows, views };
      return views;
    },

    async get(identifier: string): Promise<StoredDefinition | null> {
      const row = await repository.find(identifier);
      return row ? view(row) : null;
    },

    /** What sending needs of the definition, as it is now. */
    async load(identifier: string): Promise<ResolvedServer | null> {
      const row = await repository.find(identifier);
      return row ? sending(row) : null;
    },

    /**
     * @param ifMatch the ETags one of which has to be the present one; null: any.
     * @returns whether there was a definition to delete.
     * @throws {SealpostError} `stale`.
     */
    async remove(identifier: string, ifMatch: EtagCondition | null, actor: AuditActor): Promise<boolean> {
      return untilCommitted(async () => {
        const row = await repository.find(identifier);
        if (!row) {
          if (ifMatch) throw staleError();
          const entry = auditEntry(actor, platform.now(), {
            success: false,
            identifier,
            info: "there was none",
          });
          await database.append(audit.insert(entry));
          return false;
        }
        if (ifMatch && !ifMatch(etagOf(row))) throw staleError();
        const entry = auditEntry(actor, platform.now(), { success: true, identifier });
        const results = await epoch.commit(
          [],
          [repository.remove(row), audit.insertIfChanged(entry), ...circuit.reset(identifier)],
        );
        return results !== null && results[0].rowsAffected > 0 ? true : null;
      });
    },
  };
}

/** Whether an ETag is among those a request names. */
export type EtagCondition = (etag: string) => boolean;

/** A strong ETag (RFC 9110 8.8.3): another one after each change, and for a definition that was made anew. */
export function etagOf(row: Pick<SmtpServerRow, "etagSeed" | "version">): string {
  return `"${row.etagSeed}-${row.version}"`;
}

export function staleError(): SealpostError {
  return new SealpostError("stale", "The definition was changed meanwhile; read it again");
}

export function serverNotFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested SMTPServer could not be found.");
}

function isUnsealable(error: unknown): boolean {
  return error instanceof SealpostError && error.code === "unsealable";
}

function decodeKey(base64: Secret): Uint8Array<ArrayBuffer> | null {
  return base64.isEmpty ? null : Uint8Array.fromBase64(base64.reveal());
}
