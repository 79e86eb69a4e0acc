import type { AssertReroute, Reroutes, Usage } from "../../access/reroutes.ts";
import type { WriteStatement } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { type AuditActor, type AuditEntry, auditEntry } from "../../domain/audit.ts";
import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import type { TargetLimits } from "../../domain/endpoint.ts";
import { senderOf } from "../../domain/mailbox.ts";
import type { Notice } from "../../domain/notices.ts";
import { fillFromPreset, presetNotices } from "../../domain/providers/preset.ts";
import { CENSORED, Secret } from "../../domain/secret.ts";
import {
  DEFINITION_DEFAULTS,
  type FieldName,
  type FurtherInput,
  type FurtherName,
  type KeyAddresses,
  resolveFurther,
  SECRET_NAMES,
  type SecretName,
  type ServerDefinition,
} from "../../domain/smtp-server.ts";
import { invalidParameter, SealpostError } from "../../errors.ts";
import type { Inspection } from "../../smime/identity.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { Epoch } from "../../storage/epoch.ts";
import { untilCommitted } from "../../storage/epoch.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Circuit } from "../circuit.ts";
import {
  assertKeySender,
  type IdentityFields,
  identityNotices,
  inspectOnSave,
  namesOf,
} from "./check-identity.ts";
import { checkLogin, type ReadSecret } from "./check-login.ts";
import { type EtagCondition, etagOf, nothingStored, type Servers, staleError } from "./definitions.ts";

import { routeChanges } from "./route-changes.ts";
import { assertSecretTarget } from "./secret-target.ts";
import { rewriteTlsPair, separateInput } from "./separate-identity.ts";
import { encodeSigningKey } from "./signing-key.ts";

type EndpointFields = Pick<ServerDefinition, "server" | "port" | "tls">;

/**
 * A definition as a client sends it. A secret, certificate or further field that is `undefined` keeps its value; a preset
 * or the default fills `server`, `port` and `tls`.
 */
export interface ServerInput
  extends Omit<ServerDefinition, SecretName | "certificate" | FurtherName | keyof EndpointFields>,
    Readonly<{ [K in keyof EndpointFields]: EndpointFields[K] | undefined }>,
    Readonly<Partial<Record<SecretName, Secret | undefined>>>,
    FurtherInput {
  readonly certificate: string | undefined;
}

/** A definition as a client sends it, with the values of everything but secrets and certificate. */
export type FilledInput = Omit<ServerInput, keyof EndpointFields | FurtherName> &
  Pick<ServerDefinition, keyof EndpointFields | FurtherName>;

interface SaveConditions {
  /** Must hold for the ETag of the current definition; `null` if there is no such condition. */
  readonly ifMatch: EtagCondition | null;
  /** Whether there must be no definition of that name. */
  readonly createOnly: boolean;
  /** Called before mail of plugins goes elsewhere. Absent for the operator. */
  readonly assertReroute?: AssertReroute;
}

interface SaveResult {
  readonly etag: string;
  /** Notices about the definition, which is saved all the same. */
  readonly notices: readonly Notice[];
  /** Names of the plugins whose mail goes elsewhere now. */
  readonly usedBy: readonly string[];
}

export type SaveServer = (
  identifier: string,
  input: ServerInput,
  conditions: SaveConditions,
  actor: AuditActor,
) => Promise<SaveResult>;

/** The dependencies of {@link commitDefinition}. */
export interface CommitDefinitionDeps {
  readonly epoch: Epoch;
  readonly audit: AuditRepository;
  readonly circuit: Circuit;
  readonly wake: Wake;
}

interface SaveDeps extends CommitDefinitionDeps {
  readonly repository: SmtpServerRepository;
  readonly servers: Servers;
  readonly reroutes: Reroutes;
  /** Returns whose mail a definition routes. */
  readonly usageOf: (identifier: string) => Promise<Usage>;
  readonly platform: Platform;
  readonly newId: () => string;
  readonly targets: TargetLimits;
}

/** The secrets that get another value; `undefined` keeps the stored one. */
type ChangedSecrets = Readonly<Partial<Record<SecretName, Secret | undefined>>>;

const ETAG_SEED_BYTES = 9;
/** `POST /smtpserver/inspect` saves nothing. An older definition of that name stays. */
const RESERVED = "inspect";
/** Commas separate the names in lists of servers. The others hide in a name, or change its direction. */
const AMBIGUOUS = /[,\p{Cf}\p{Zl}\p{Zp}]/u;

/**
 * Creates what creates or replaces a definition. What it keeps of the old one depends on one version, and is stored only
 * if that version is still current.
 */
export function createSaveServer(deps: SaveDeps): SaveServer {
  return (...call) => untilCommitted(deps.epoch, () => save(deps, ...call));
}

/** @returns `null` if the caller's rights have changed meanwhile. */
async function save(
  deps: SaveDeps,
  ...[identifier, input, conditions, actor]: Parameters<SaveServer>
): Promise<SaveResult | null> {
  const { repository, reroutes, usageOf, platform } = deps;
  for (;;) {
    const stored = await repository.find(identifier);
    assertConditions(conditions, stored);
    if (!stored && AMBIGUOUS.test(identifier)) {
      throw invalidParameter("identifier", "expected a new name without commas and invisible characters");
    }
    if (!stored && identifier === RESERVED) {
      throw invalidParameter("identifier", `expected another name than ${RESERVED}, which is reserved`);
    }
    const { row, kept, notices, fields, change } = await plan(deps, identifier, input, stored);
    const usage = () => usageOf(identifier);
    const reroute = await reroutes.allow({ identifier, change }, usage, conditions.assertReroute);
    const { info, usedBy } = reroute;
    const entry = auditEntry(actor, platform.now(), { success: true, identifier, fields, info });
    const write = stored ? repository.update(row, kept) : repository.insert(row);
    const isWritten = await commitDefinition(deps, write, entry);
    if (isWritten === null) return null;
    // Another request changed the definition first: the last one wins.
    if (!isWritten) continue;
    reroute.report(actor);
    return { etag: etagOf(row), notices, usedBy };
  }
}

/**
 * Commits one version of a definition with its audit row. Mail that waits for the definition is attempted soon.
 * @param write affects no row if another request changed the definition first.
 * @returns whether it was written; `null` if the caller's rights have changed meanwhile.
 */
export async function commitDefinition(
  { epoch, audit, circuit, wake }: CommitDefinitionDeps,
  write: WriteStatement,
  entry: AuditEntry,
): Promise<boolean | null> {
  const results = await epoch.commit(
    [],
    [
      write,
      audit.insertIfChanged(entry),
      // The change may have fixed the server, which a probe or the waiting messages find out.
      ...circuit.restart(entry.identifier),
    ],
  );
  if (results === null) return null;
  const [written, , waiting] = results;
  if (written.rowsAffected === 0) return false;
  // If the wake is lost, the next sweep finds the messages.
  if (waiting.length > 0) await wake.notify(waiting.map(({ id }) => id)).catch(() => undefined);
  return true;
}

/** Returns the row to write, the secrets that stay as they are, and what to report. */
async function plan(
  { servers, platform, newId, targets }: SaveDeps,
  identifier: string,
  given: ServerInput,
  stored: SmtpServerRow | undefined,
) {
  const separated = await rewriteTlsPair(await separateInput(given, stored?.certificate));
  const filled = fillFromPreset(separated, stored);
  const input: FilledInput = { ...filled, ...resolveFurther(filled, stored) };
  const id = stored?.id ?? newId();
  const changed = changedSecrets(input, stored);
  const certificate =
    input.certificate ?? (changed.privateKey === undefined ? (stored?.certificate ?? "") : "");
  const sealed = async (field: SecretName) => {
    const value = changed[field];
    return value === undefined ? (stored?.[field] ?? "") : servers.sealField(id, field, value.reveal());
  };
  const inspection = await inspectOnSave(
    { ...input, certificate },
    await identityFields(servers, input, changed, certificate, stored),
    platform.now(),
  );
  const givenFor = await keyAddresses(servers, input, changed, inspection, stored);
  const signingKey = encodeSigningKey({ pkcs8: inspection?.pkcs8 ?? null, givenFor });
  const loginNotices = await checkLogin(input, secretReader(servers, changed, stored), platform.now());
  const row: SmtpServerRow = {
    ...input,
    ...(await everySecret(sealed)),
    id,
    identifier,
    certificate,
    signingKey: await servers.sealField(id, "signingKey", signingKey),
    etagSeed: stored?.etagSeed ?? platform.randomBytes(ETAG_SEED_BYTES).toBase64({ alphabet: "base64url" }),
    version: (stored?.version ?? 0) + 1,
  };
  const notices = [
    ...presetNotices(input, given.password, targets),
    ...loginNotices,
    ...(inspection ? identityNotices(inspection, input) : []),
  ];
  const kept = SECRET_NAMES.filter((field) => changed[field] === undefined);
  const isPasswordChanged = replaces(changed.password, stored?.password);
  const change = stored ? routeChanges(stored, row, isPasswordChanged).join(",") : "created";
  return { row, kept, notices, fields: changedFields(row, stored, changed), change };
}

/** Returns the addresses that the key is given for, or was. @throws {SealpostError} as {@link assertKeySender} does. */
async function keyAddresses(
  servers: Servers,
  input: FilledInput,
  { privateKey }: ChangedSecrets,
  inspection: Inspection | null,
  stored: SmtpServerRow | undefined,
): Promise<KeyAddresses> {
  if (stored && stored.privateKey !== "" && privateKey === undefined) {
    const givenFor = await servers.givenFor(stored);
    assertKeySender("private_key", givenFor, input);
    return givenFor;
  }
  if (!privateKey || privateKey.isEmpty) return { sender: null, named: null };
  return { sender: senderOf(input)?.address ?? null, named: inspection ? namesOf(inspection) : [] };
}

async function everySecret<T>(of: (field: SecretName) => Promise<T>): Promise<Record<SecretName, T>> {
  const entries = SECRET_NAMES.map(async (name) => [name, await of(name)] as const);
  return Object.fromEntries(await Promise.all(entries)) as Record<SecretName, T>;
}

async function identityFields(
  servers: Servers,
  input: Pick<ServerInput, "smime">,
  changed: ChangedSecrets,
  certificate: string,
  stored: SmtpServerRow | undefined,
): Promise<IdentityFields> {
  const secretOf = secretReader(servers, changed, stored);
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

/** Returns a reader of the secrets as they will be stored. */
function secretReader(
  servers: Servers,
  changed: ChangedSecrets,
  stored: SmtpServerRow | undefined,
): ReadSecret {
  return async (name) => changed[name] ?? (stored?.[name] ? servers.openStored(stored, name) : Secret.EMPTY);
}

/** A new key drops the old passphrase. @throws {SealpostError} for a kept secret that would go elsewhere. */
function changedSecrets(input: FilledInput, stored: SmtpServerRow | undefined): ChangedSecrets {
  const entries = SECRET_NAMES.map((name) => [name, changedSecret(name, input, stored)] as const);
  const changed = Object.fromEntries(entries) as ChangedSecrets;
  for (const [name, value] of entries) {
    if (value === undefined && stored?.[name]) assertSecretTarget(name, stored, input);
  }
  if (changed.privateKey === undefined || changed.privateKeyPassword !== undefined) return changed;
  return { ...changed, privateKeyPassword: Secret.EMPTY };
}

function changedSecret(
  field: SecretName,
  { [field]: value }: Pick<ServerInput, SecretName>,
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
