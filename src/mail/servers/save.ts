import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { keepsSecret, parseEndpoint } from "../../domain/endpoint.ts";
import { FURTHER_PARAMETERS, type FurtherInput, resolveFurther } from "../../domain/further-fields.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import { Secret } from "../../domain/secret.ts";
import {
  type Endpoint,
  type FurtherFields,
  type ServerDefinition,
  SMTP_SERVER_DEFAULTS,
} from "../../domain/smtp-server.ts";
import { invalidParameter, SealpostError } from "../../errors.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { Epoch } from "../../storage/epoch.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import { untilCommitted } from "../../storage/until-committed.ts";
import type { Circuit } from "../circuit.ts";
import { type IdentityFields, inspectOnSave } from "./check-identity.ts";
import { type EtagCondition, etagOf, type SealedField, type Servers, staleError } from "./definitions.ts";

/** Stands for the stored secret, in both directions. */
export const CENSORED = "__CENSORED__";

/** A definition as a client sends it; a secret, certificate or further field that is undefined stays as it is. */
export interface ServerInput
  extends Omit<
      ServerDefinition,
      "password" | "privateKey" | "privateKeyPassword" | "certificate" | keyof FurtherFields
    >,
    FurtherInput {
  readonly password: Secret | undefined;
  readonly privateKey: Secret | undefined;
  readonly privateKeyPassword: Secret | undefined;
  readonly certificate: string | undefined;
}

export interface SaveConditions {
  /** The present definition's ETag has to satisfy this. */
  readonly ifMatch: EtagCondition | null;
  /** There must be no definition of that name. */
  readonly createOnly: boolean;
}

export interface SaveResult {
  readonly etag: string;
  /** What the owner should know although the definition is saved. */
  readonly notices: readonly Notice[];
}

export type SaveServer = (
  identifier: string,
  input: ServerInput,
  conditions: SaveConditions,
  actor: AuditActor,
) => Promise<SaveResult>;

/** The secrets that a save may leave as they are. */
const KEPT_FIELDS = ["password", "privateKey", "privateKeyPassword"] as const;
const ETAG_SEED_BYTES = 9;

/**
 * Makes what creates or replaces a definition. What is kept of the old one is decided on one version and stored only
 * if that version is still the present one.
 */
export function createSaveServer(parts: {
  readonly epoch: Epoch;
  readonly repository: SmtpServerRepository;
  readonly servers: Servers;
  readonly audit: AuditRepository;
  readonly circuit: Circuit;
  readonly wake: Wake;
  readonly platform: Platform;
  readonly newId: () => string;
}): SaveServer {
  const { epoch, repository, servers, audit, circuit, wake, platform, newId } = parts;

  async function plan(identifier: string, input: ServerInput, stored: SmtpServerRow | undefined) {
    const endpoint = endpointOf(input);
    const id = stored?.id ?? newId();
    const changed = changedSecrets(input, stored, endpoint);
    const certificate =
      input.certificate ?? (changed.privateKey === undefined ? (stored?.certificate ?? "") : "");
    const sealed = async (field: Exclude<SealedField, "signingKey">) => {
      const value = changed[field];
      return value === undefined ? (stored?.[field] ?? "") : servers.sealField(id, field, value.reveal());
    };
    const identity = await inspectOnSave(
      { ...input, certificate },
      await identityFields(input, changed, certificate, stored),
      platform.now(),
    );
    const row: SmtpServerRow = {
      ...input,
      id,
      identifier,
      certificate,
      password: await sealed("password"),
      privateKey: await sealed("privateKey"),
      privateKeyPassword: await sealed("privateKeyPassword"),
      signingKey: await servers.sealField(id, "signingKey", identity.signingKey?.toBase64() ?? ""),
      ...resolveFurther(input, stored),
      etagSeed: stored?.etagSeed ?? etagSeed(platform),
      version: (stored?.version ?? 0) + 1,
    };
    const notices = [...clearTextNotices(endpoint, input), ...identity.notices];
    const kept = KEPT_FIELDS.filter((field) => changed[field] === undefined);
    return { row, kept, notices, fields: changedFields(row, stored, changed) };
  }

  async function identityFields(
    input: ServerInput,
    changed: ChangedSecrets,
    certificate: string,
    stored: SmtpServerRow | undefined,
  ): Promise<IdentityFields> {
    const kept = async (field: "privateKey" | "privateKeyPassword") =>
      changed[field] ?? (stored ? servers.openKept(stored, field) : Secret.EMPTY);
    const touched =
      replaces(changed.privateKey, stored?.privateKey) ||
      replaces(changed.privateKeyPassword, stored?.privateKeyPassword) ||
      certificate !== (stored?.certificate ?? "") ||
      input.smime !== (stored?.smime ?? false);
    return {
      privateKey: await kept("privateKey"),
      privateKeyPassword: await kept("privateKeyPassword"),
      touched,
    };
  }

  /** @returns null if the caller's rights have changed meanwhile. */
  async function save(...[identifier, input, conditions, actor]: Parameters<SaveServer>) {
    for (;;) {
      const stored = await repository.find(identifier);
      checkConditions(conditions, stored);
      const { row, kept, notices, fields } = await plan(identifier, input, stored);
      const entry = auditEntry(actor, platform.now(), { success: true, identifier, fields });
      const results = await epoch.commit(
        [],
        [
          stored ? repository.update(row, kept) : repository.insert(row),
          audit.insertIfChanged(entry),
          // What was wrong may be right now: a probe, or the waiting mail itself, finds out.
          ...circuit.restart(identifier),
        ],
      );
      if (results === null) return null;
      const [written, , waiting] = results;
      // Another request changed the definition first: the last one wins.
      if (written.rowsAffected === 0) continue;
      // The sweep finds it if this is lost.
      if (waiting.length > 0) await wake.notify(waiting.map(({ id }) => id)).catch(() => undefined);
      return { etag: etagOf(row), notices };
    }
  }

  return (...given) => untilCommitted(() => save(...given));
}

type ChangedSecrets = Readonly<Record<(typeof KEPT_FIELDS)[number], Secret | undefined>>;

/** Which secrets get another value; undefined: the stored one stays. A new key drops the old passphrase. */
function changedSecrets(
  input: ServerInput,
  stored: SmtpServerRow | undefined,
  endpoint: Endpoint,
): ChangedSecrets {
  const password = given("password", input.password, stored?.password);
  const privateKey = given("private_key", input.privateKey, stored?.privateKey);
  const passphrase = given("private_key_password", input.privateKeyPassword, stored?.privateKeyPassword);
  if (password === undefined && stored && stored.password !== "") {
    assertPasswordTarget(stored, { ...endpoint, username: input.username });
  }
  return {
    password,
    privateKey,
    privateKeyPassword: privateKey === undefined ? passphrase : (passphrase ?? Secret.EMPTY),
  };
}

function given(parameter: string, value: Secret | undefined, stored: string | undefined): Secret | undefined {
  if (value?.reveal() !== CENSORED) return value;
  if (!stored) throw invalidParameter(parameter, `there is none stored that ${CENSORED} could stand for`);
  return undefined;
}

/** @throws {SealpostError} `invalid_parameter` if `server` says no place. */
export function endpointOf(input: Pick<ServerInput, "server" | "port" | "tls">): Endpoint {
  const endpoint = parseEndpoint(input);
  if (endpoint) return endpoint;
  throw invalidParameter("server", "expected host, host:port, smtp://host[:port] or smtps://host[:port]");
}

/**
 * A kept password goes only where it was meant to go; otherwise whoever may write definitions could have it sent to a
 * host of theirs.
 * @throws {SealpostError} `invalid_parameter` that asks for the password again.
 */
export function assertPasswordTarget(
  stored: Pick<SmtpServerRow, "server" | "port" | "tls" | "username">,
  next: Endpoint & { readonly username: string },
): void {
  const kept = parseEndpoint(stored);
  if (kept && keepsSecret(kept, next) && stored.username === next.username) return;
  throw invalidParameter(
    "password",
    "the stored one is kept only for the same server, port and username and no weaker TLS; give it again",
  );
}

function checkConditions({ ifMatch, createOnly }: SaveConditions, stored: SmtpServerRow | undefined): void {
  if (createOnly && stored) throw new SealpostError("stale", "There is a definition of that name already");
  if (ifMatch && !(stored && ifMatch(etagOf(stored)))) throw staleError();
}

function clearTextNotices(endpoint: Endpoint, input: ServerInput): readonly Notice[] {
  return endpoint.security === "none" && input.username !== "" ? [notice("clear_text", "tls")] : [];
}

const PUBLIC_FIELDS = {
  server: "server",
  port: "port",
  username: "username",
  sender: "sender",
  tls: "tls",
  timeout: "timeout",
  enqueueJob: "enqueue_job",
  description: "description",
  smime: "smime",
  dontSendOnError: "dont_send_on_error",
  certificate: "certificate",
  ...FURTHER_PARAMETERS,
} as const;

const SECRET_FIELDS = {
  password: "password",
  privateKey: "private_key",
  privateKeyPassword: "private_key_password",
} as const;

/** Names of what is other than before, for the audit row; never values. */
function changedFields(
  row: SmtpServerRow,
  stored: SmtpServerRow | undefined,
  secrets: ChangedSecrets,
): string {
  const plain = Object.entries(PUBLIC_FIELDS).filter(([field]) => {
    const key = field as keyof typeof PUBLIC_FIELDS;
    return row[key] !== (stored ?? SMTP_SERVER_DEFAULTS)[key];
  });
  const secret = Object.entries(SECRET_FIELDS).filter(([field]) => {
    const key = field as keyof typeof SECRET_FIELDS;
    return replaces(secrets[key], stored?.[key]);
  });
  return [...plain, ...secret].map(([, name]) => name).join(",");
}

/** Whether a stored secret becomes another one; to clear what is not there changes nothing. */
function replaces(next: Secret | undefined, stored: string | undefined): boolean {
  return next !== undefined && !(next.isEmpty && !stored);
}

function etagSeed(platform: Platform): string {
  return platform.randomBytes(ETAG_SEED_BYTES).toBase64({ alphabet: "base64url" });
}
