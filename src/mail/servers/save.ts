import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { assertPasswordTarget, endpointOf } from "../../domain/endpoint.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import { CENSORED, Secret } from "../../domain/secret.ts";
import {
  DEFINITION_DEFAULTS,
  DEFINITION_FIELDS,
  type Endpoint,
  type FieldName,
  type FurtherInput,
  type FurtherName,
  resolveFurther,
  SECRET_NAMES,
  type SecretName,
  type ServerDefinition,
} from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { Epoch } from "../../storage/epoch.ts";
import { untilCommitted } from "../../storage/epoch.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Circuit } from "../circuit.ts";
import { type IdentityFields, inspectOnSave } from "./check-identity.ts";
import { type EtagCondition, etagOf, nothingStored, type Servers, staleError } from "./definitions.ts";

/** A definition as a client sends it. A secret, certificate or further field that is `undefined` keeps its value. */
export interface ServerInput
  extends Omit<ServerDefinition, SecretName | "certificate" | FurtherName>,
    Readonly<Record<SecretName, Secret | undefined>>,
    FurtherInput {
  readonly certificate: string | undefined;
}

interface SaveConditions {
  /** Must hold for the ETag of the current definition; `null` if there is no such condition. */
  readonly ifMatch: EtagCondition | null;
  /** Whether there must be no definition of that name. */
  readonly createOnly: boolean;
}

interface SaveResult {
  readonly etag: string;
  /** Notices about the definition, which is saved all the same. */
  readonly notices: readonly Notice[];
}

export type SaveServer = (
  identifier: string,
  input: ServerInput,
  conditions: SaveConditions,
  actor: AuditActor,
) => Promise<SaveResult>;

interface SaveDeps {
  readonly epoch: Epoch;
  readonly repository: SmtpServerRepository;
  readonly servers: Servers;
  readonly audit: AuditRepository;
  readonly circuit: Circuit;
  readonly wake: Wake;
  readonly platform: Platform;
  readonly newId: () => string;
}

/** The secrets that get another value; `undefined` keeps the stored one. */
type ChangedSecrets = Readonly<Record<SecretName, Secret | undefined>>;

const ETAG_SEED_BYTES = 9;

/**
 * Creates what creates or replaces a definition. What it keeps of the old one depends on one version, and is stored only
 * if that version is still current.
 */
export function createSaveServer(deps: SaveDeps): SaveServer {
  return (...call) => untilCommitted(() => save(deps, ...call));
}

/** @returns `null` if the caller's rights have changed meanwhile. */
async function save(
  deps: SaveDeps,
  ...[identifier, input, conditions, actor]: Parameters<SaveServer>
): Promise<SaveResult | null> {
  const { epoch, repository, audit, circuit, wake, platform } = deps;
  for (;;) {
    const stored = await repository.find(identifier);
    assertConditions(conditions, stored);
    const { row, kept, notices, fields } = await plan(deps, identifier, input, stored);
    const entry = auditEntry(actor, platform.now(), { success: true, identifier, fields });
    const results = await epoch.commit(
      [],
      [
        stored ? repository.update(row, kept) : repository.insert(row),
        audit.insertIfChanged(entry),
        // The change may have fixed the server, which a probe or the waiting messages find out.
        ...circuit.restart(identifier),
      ],
    );
    if (results === null) return null;
    const [written, , waiting] = results;
    // Another request changed the definition first: the last one wins.
    if (written.rowsAffected === 0) continue;
    // If the wake is lost, the next sweep finds the messages.
    if (waiting.length > 0) await wake.notify(waiting.map(({ id }) => id)).catch(() => undefined);
    return { etag: etagOf(row), notices };
  }
}

/** Returns the row to write, the secrets that stay as they are, and what to report. */
async function plan(
  { servers, platform, newId }: SaveDeps,
  identifier: string,
  input: ServerInput,
  stored: SmtpServerRow | undefined,
) {
  const endpoint = endpointOf(input);
  const id = stored?.id ?? newId();
  const changed = changedSecrets(input, stored, endpoint);
  const certificate =
    input.certificate ?? (changed.privateKey === undefined ? (stored?.certificate ?? "") : "");
  const sealed = async (field: SecretName) => {
    const value = changed[field];
    return value === undefined ? (stored?.[field] ?? "") : servers.sealField(id, field, value.reveal());
  };
  const identity = await inspectOnSave(
    { ...input, certificate },
    await identityFields(servers, input, changed, certificate, stored),
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
    etagSeed: stored?.etagSeed ?? platform.randomBytes(ETAG_SEED_BYTES).toBase64({ alphabet: "base64url" }),
    version: (stored?.version ?? 0) + 1,
  };
  const isClear = endpoint.security === "none" && input.username !== "";
  const notices = [...(isClear ? [notice("clear_text", "tls")] : []), ...identity.notices];
  const kept = SECRET_NAMES.filter((field) => changed[field] === undefined);
  return { row, kept, notices, fields: changedFields(row, stored, changed) };
}

async function identityFields(
  servers: Servers,
  input: ServerInput,
  changed: ChangedSecrets,
  certificate: string,
  stored: SmtpServerRow | undefined,
): Promise<IdentityFields> {
  const secretOf = async (field: SecretName) =>
    changed[field] ?? (stored?.[field] ? servers.openStored(stored, field) : Secret.EMPTY);
  const isChanged =
    replaces(changed.privateKey, stored?.privateKey) ||
    replaces(changed.privateKeyPassword, stored?.privateKeyPassword) ||
    certificate !== (stored?.certificate ?? "") ||
    input.smime !== (stored?.smime ?? false);
  return {
    privateKey: await secretOf("privateKey"),
    privateKeyPassword: await secretOf("privateKeyPassword"),
    isChanged,
  };
}

/** A new key drops the old passphrase. */
function changedSecrets(
  input: ServerInput,
  stored: SmtpServerRow | undefined,
  endpoint: Endpoint,
): ChangedSecrets {
  const password = changedSecret("password", input, stored);
  const privateKey = changedSecret("privateKey", input, stored);
  const passphrase = changedSecret("privateKeyPassword", input, stored);
  if (password === undefined && stored && stored.password !== "") {
    assertPasswordTarget(stored, { ...endpoint, username: input.username });
  }
  return {
    password,
    privateKey,
    privateKeyPassword: privateKey === undefined ? passphrase : (passphrase ?? Secret.EMPTY),
  };
}

function changedSecret(
  field: SecretName,
  { [field]: value }: ServerInput,
  stored: SmtpServerRow | undefined,
): Secret | undefined {
  if (value?.reveal() !== CENSORED) return value;
  if (!stored?.[field]) throw nothingStored(field);
  return undefined;
}

function assertConditions({ ifMatch, createOnly }: SaveConditions, stored: SmtpServerRow | undefined): void {
  if (createOnly && stored) throw new SealpostError("stale", "A definition with this name already exists");
  if (ifMatch && !(stored && ifMatch(etagOf(stored)))) throw staleError();
}

/** Returns the parameters whose values change, for the audit log; never the values. */
function changedFields(
  row: SmtpServerRow,
  stored: SmtpServerRow | undefined,
  secrets: ChangedSecrets,
): string {
  const names = Object.keys(DEFINITION_FIELDS) as FieldName[];
  const plain = names.filter(
    (name) => !isSecret(name) && row[name] !== (stored ?? DEFINITION_DEFAULTS)[name],
  );
  const secret = SECRET_NAMES.filter((name) => replaces(secrets[name], stored?.[name]));
  return [...plain, ...secret].map((name) => DEFINITION_FIELDS[name].parameter).join(",");
}

function isSecret(name: FieldName): name is SecretName {
  return DEFINITION_FIELDS[name].kind === "secret";
}

/** Whether a stored secret gets another value. Clearing a secret that is not set changes nothing. */
function replaces(next: Secret | undefined, stored: string | undefined): boolean {
  return next !== undefined && !(next.isEmpty && !stored);
}
