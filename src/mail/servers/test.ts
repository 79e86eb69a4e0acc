import type { Platform } from "../../contracts/platform.ts";
import type { AuditActor } from "../../domain/audit.ts";
import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import type { Checkpoint } from "../../domain/delivery.ts";
import { endpointOf, parseEndpoint, type TargetLimits } from "../../domain/endpoint.ts";
import type { Mailbox } from "../../domain/mailbox.ts";
import type { Notice } from "../../domain/notices.ts";
import { fillFromPreset, presetNotices } from "../../domain/providers/preset.ts";
import { CENSORED, Secret } from "../../domain/secret.ts";
import {
  type ResolvedServer,
  resolveFurther,
  type ServerDefinition,
  usesTokens,
} from "../../domain/smtp-server.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Certificates, Encryption } from "../encryption.ts";
import type { TokensFor } from "../oauth/definition-tokens.ts";
import type { OwnSubmitOptions, SubmitFor, SubmitResult, SubmitTarget } from "../submission.ts";
import type { CheckResult, CheckServer, ServerCheck } from "./check.ts";
import { assertKeySender, identityNotices, inspectForm } from "./check-identity.ts";
import { checkLogin, type ReadSecret } from "./check-login.ts";
import { type Servers, serverNotFound } from "./definitions.ts";
import type { FilledInput, ServerInput } from "./save.ts";
import { assertSecretTarget } from "./secret-target.ts";
import { rewriteTlsPair, separateInput } from "./separate-identity.ts";

const SIGNING_SECRETS = ["privateKey", "privateKeyPassword"] as const;

/** Which definition a message tests, and where it goes. */
interface MailTest {
  /** Name of the definition, saved or not; may be empty for an unsaved one. */
  readonly identifier: string;
  readonly recipient: Mailbox;
}

/** Whether a test needs a recipient. @param until `undefined` for a test that sends a message. */
export function needsRecipient(until: Checkpoint | undefined): boolean {
  return until === undefined || until === "recipient";
}

/** Tests of definitions. */
export interface TestMail {
  /**
   * Fills an unsaved definition: first from its preset, then from the stored definition of this name if both lead to the
   * same server.
   * @throws {SealpostError} `missing_parameter` or `invalid_parameter` without a server.
   */
  fill(
    given: ServerInput,
    identifier: string,
  ): Promise<{ readonly input: FilledInput; readonly notices: readonly Notice[] }>;
  /** @throws {SealpostError} `invalid_parameter` for a certificate that cannot be used for its recipient. */
  assertCertificate(certificates: Certificates): Promise<void>;
  /** Sends a test message through an unsaved definition. The signal cancels it until MAIL is written. */
  sendUnsaved(
    input: FilledInput,
    test: MailTest,
    actor: AuditActor,
    options?: OwnSubmitOptions,
  ): Promise<Noticed<SubmitResult>>;
  /**
   * Sends a test message through a stored definition, while the caller waits unless the options queue it. The signal cancels it
   * until MAIL is written.
   */
  sendStored(test: MailTest, actor: AuditActor, options?: OwnSubmitOptions): Promise<Noticed<SubmitResult>>;
  /** Checks an unsaved definition up to a checkpoint, and sends nothing. */
  checkUnsaved(
    input: FilledInput,
    identifier: string,
    check: ServerCheck,
    actor: AuditActor,
    signal: AbortSignal,
  ): Promise<Noticed<CheckResult>>;
  /**
   * Checks a stored definition up to a checkpoint, and sends nothing.
   * @throws {SealpostError} `resource_not_found`.
   */
  checkStored(
    identifier: string,
    check: ServerCheck,
    actor: AuditActor,
    signal: AbortSignal,
  ): Promise<Noticed<CheckResult>>;
}

/** A result, and what saving the definition would report as well. */
interface Noticed<T> {
  readonly result: T;
  readonly notices: readonly Notice[];
}

type Resolved = Noticed<ResolvedServer>;

interface TestMailDeps {
  readonly repository: SmtpServerRepository;
  readonly servers: Servers;
  readonly submitFor: SubmitFor;
  readonly checkServer: CheckServer;
  readonly tokensFor: TokensFor;
  readonly encryption: Pick<Encryption, "assertUsable">;
  readonly platform: Platform;
  readonly targets: TargetLimits;
}

/**
 * Creates the tests of definitions. They only resolve a definition and write a message; `submit` sends it, as every other
 * message, and `checkServer` makes the checks that send nothing.
 */
export function createTestMail(deps: TestMailDeps): TestMail {
  const { servers, submitFor, checkServer, encryption } = deps;

  async function send(
    target: SubmitTarget,
    { identifier, recipient }: MailTest,
    actor: AuditActor,
    options: OwnSubmitOptions,
  ): Promise<SubmitResult> {
    const submit = submitFor({ name: `admin ${actor.administrator}@${actor.realm}`, actor, isTest: true });
    const until = options.signal && untilMail(options.signal);
    return submit(target, testMessage(identifier, recipient), { ...options, ...until });
  }

  return {
    async fill(given, identifier) {
      const stored = await storedOf(deps, identifier);
      const filled = fillFromPreset(given, stored);
      const input = { ...filled, ...resolveFurther(filled, baseOf(stored, filled)) };
      return { input, notices: presetNotices(input, given.password, deps.targets) };
    },

    assertCertificate: (certificates) => encryption.assertUsable(certificates, "recipient_certificate"),

    async sendUnsaved(input, test, actor, options = {}) {
      let resolved: Promise<Resolved> | null = null;
      const resolve = () => resolveUnsaved(deps, input, test.identifier);
      const target = async () => {
        resolved = resolve();
        return (await resolved).result;
      };
      const result = await send(target, test, actor, options);
      // A repetition of an idempotent call resolves nothing, and what it borrowed may be gone.
      const { notices } = await (resolved ?? resolve().catch(() => ({ notices: [] })));
      return { result, notices };
    },

    async sendStored(test, actor, options = {}) {
      const result = await send(test.identifier, test, actor, { queue: false, ...options });
      return { result, notices: await storedNotices(deps, test.identifier) };
    },

    async checkUnsaved(input, identifier, check, actor, signal) {
      const { result: server, notices } = await resolveUnsaved(deps, input, identifier);
      return { result: await checkServer(server, check, actor, signal), notices };
    },

    async checkStored(identifier, check, actor, signal) {
      const server = await servers.load(identifier);
      if (server === null) throw serverNotFound();
      const result = await checkServer(server, check, actor, signal);
      return { result, notices: await storedNotices(deps, identifier) };
    },
  };
}

/** Follows the signal of a client until MAIL: after that, the message is sent, because its outcome may be unknown. */
function untilMail(client: AbortSignal): Pick<OwnSubmitOptions, "signal" | "mayTransact"> {
  const abort = new AbortController();
  const stop = (): void => abort.abort(client.reason);
  client.addEventListener("abort", stop);
  if (client.aborted) stop();
  const mayTransact = (): boolean => {
    client.removeEventListener("abort", stop);
    return !abort.signal.aborted;
  };
  return { signal: abort.signal, mayTransact };
}

/** Returns the notices about the identity of a stored definition. */
async function storedNotices(
  { repository, servers }: TestMailDeps,
  identifier: string,
): Promise<readonly Notice[]> {
  const row = await repository.find(identifier);
  const inspection = row?.smime ? await servers.inspect(identifier) : null;
  return row && inspection ? identityNotices(inspection, row) : [];
}

/** Resolves an unsaved definition, with secrets borrowed from the stored one of this name where that is allowed. */
async function resolveUnsaved(deps: TestMailDeps, given: FilledInput, identifier: string): Promise<Resolved> {
  const { servers, tokensFor, platform } = deps;
  const input = await rewriteTlsPair(await separateInput(given));
  const endpoint = endpointOf(input);
  const { username, sender, smime, certificate = "", dontSendOnError, enqueueJob } = input;
  const stored = await storedOf(deps, identifier);
  const read = secretReader(servers, input, stored, baseOf(stored, input));
  const [privateKey, privateKeyPassword] = [await read("privateKey"), await read("privateKeyPassword")];
  const key = { privateKey, privateKeyPassword };
  const inspection = await inspectForm({ smime, certificate }, key, platform.now());
  const borrowed = SIGNING_SECRETS.find((name) => stored?.[name] && isBorrowed(input[name]));
  if (stored && borrowed) {
    const { parameter } = DEFINITION_FIELDS[borrowed];
    assertKeySender(parameter, await servers.givenFor(stored), input);
  }
  const loginNotices = await checkLogin(input, read, platform.now());
  const result = {
    ...endpoint,
    ...resolveFurther(input),
    username,
    password: await read("password"),
    tlsPrivateKey: await read("tlsPrivateKey"),
    tokens: usesTokens(input.auth, endpoint.protocol)
      ? await tokensFor({ identifier, stored: null, fields: { ...input, certificate }, read })
      : null,
    timeoutMs: input.timeout * 1000,
    sender,
    dontSendOnError,
    enqueueJob,
    identifier,
    poolKey: null,
    signing: smime ? signingSource({ ...input, certificate }, privateKey, privateKeyPassword) : null,
  };
  return { result, notices: [...loginNotices, ...(inspection ? identityNotices(inspection, input) : [])] };
}

function isBorrowed(value: Secret | undefined): boolean {
  return value?.reveal() === CENSORED;
}

/**
 * Returns a reader of the secrets as given, or as stored for `__CENSORED__`. An absent secret is empty, unless it belongs
 * to the further fields: these come from `base`, the stored definition of the same server.
 */
function secretReader(
  servers: Servers,
  input: FilledInput,
  stored: SmtpServerRow | undefined,
  base: SmtpServerRow | undefined,
): ReadSecret {
  return async (name) => {
    const value = input[name];
    const isAbsent = value === undefined && "detail" in DEFINITION_FIELDS[name];
    const source = isAbsent ? base : stored;
    if (isAbsent && !source?.[name]) return Secret.EMPTY;
    if (!isAbsent && !isBorrowed(value)) return value ?? Secret.EMPTY;
    if (source?.[name]) assertSecretTarget(name, source, input);
    return servers.openStored(source, name);
  };
}

function signingSource(
  { certificate, smimePss }: Pick<ServerDefinition, "certificate" | "smimePss">,
  pem: Secret,
  passphrase: Secret,
): ResolvedServer["signing"] {
  return {
    cacheKey: null,
    certificate,
    pss: smimePss,
    decryptedKey: async () => null,
    givenFor: async () => null,
    originalKey: async () => ({ pem, passphrase }),
  };
}

async function storedOf(
  { repository }: Pick<TestMailDeps, "repository">,
  identifier: string,
): Promise<SmtpServerRow | undefined> {
  return identifier === "" ? undefined : repository.find(identifier);
}

/**
 * Returns the stored definition if it leads to the same host and port with the same username: a client that knows only
 * privacyIDEA's 14 fields tests the values that will be used.
 */
function baseOf(
  stored: SmtpServerRow | undefined,
  input: Pick<FilledInput, "server" | "port" | "tls" | "username">,
): SmtpServerRow | undefined {
  const [kept, next] = [stored && parseEndpoint(stored), endpointOf(input)];
  const isSame = kept?.host === next.host && kept.port === next.port && stored?.username === input.username;
  return isSame ? stored : undefined;
}

function testMessage(identifier: string, recipient: Mailbox) {
  const name = identifier === "" ? "under test" : identifier;
  return {
    to: [recipient],
    subject: "Test Email from Sealpost",
    text: `This is a test email from Sealpost.\n\nThe configuration ${name} works.\n`,
  };
}
