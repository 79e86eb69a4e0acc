import type { Platform } from "../../contracts/platform.ts";
import type { AuditActor } from "../../domain/audit.ts";
import { parseEndpoint } from "../../domain/endpoint.ts";
import { resolveFurther } from "../../domain/further-fields.ts";
import { type Mailbox, senderOf } from "../../domain/mailbox.ts";
import { Secret } from "../../domain/secret.ts";
import type { Endpoint, ResolvedServer } from "../../domain/smtp-server.ts";
import { invalidParameter } from "../../errors.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { OwnSubmitOptions, SubmitFor, SubmitResult } from "../submission.ts";
import type { CheckResult, CheckServer, ServerCheck } from "./check.ts";
import { inspectForm } from "./check-identity.ts";
import { type SealedField, type Servers, serverNotFound } from "./definitions.ts";
import { assertPasswordTarget, CENSORED, endpointOf, type ServerInput } from "./save.ts";

/** Which configuration is tested, and where the mail goes. */
export interface MailTest {
  /** The name under which a configuration is, or would be, saved; may be empty for one that is not. */
  readonly identifier: string;
  readonly recipient: Mailbox;
}

export type TestMail = ReturnType<typeof createTestMail>;

/**
 * Tests of definitions. They only build a definition and a message; sending is `submit`, as for every message, and a
 * check that sends nothing is `checkServer`.
 */
export function createTestMail(parts: {
  readonly repository: SmtpServerRepository;
  readonly servers: Servers;
  readonly submitFor: SubmitFor;
  readonly checkServer: CheckServer;
  readonly platform: Platform;
}) {
  const { repository, servers, submitFor, checkServer, platform } = parts;

  /** A secret as given, or the stored one that `__CENSORED__` stands for; absent means empty. */
  async function resolve(
    parameter: string,
    field: SealedField,
    value: Secret | undefined,
    stored: SmtpServerRow | undefined,
    refuseStray: (stored: SmtpServerRow, parameter: string) => void,
  ): Promise<Secret> {
    if (value?.reveal() !== CENSORED) return value ?? Secret.EMPTY;
    if (!stored?.[field])
      throw invalidParameter(parameter, `there is none stored that ${CENSORED} could stand for`);
    refuseStray(stored, parameter);
    return servers.openKept(stored, field);
  }

  async function unsaved(input: ServerInput, identifier: string): Promise<ResolvedServer> {
    const endpoint = endpointOf(input);
    const stored = identifier === "" ? undefined : await repository.find(identifier);
    const sameTarget = (row: SmtpServerRow) =>
      assertPasswordTarget(row, { ...endpoint, username: input.username });
    const sameSender = (row: SmtpServerRow, parameter: string) => assertKeySender(row, input, parameter);
    const password = await resolve("password", "password", input.password, stored, sameTarget);
    const pem = await resolve("private_key", "privateKey", input.privateKey, stored, sameSender);
    const passphrase = await resolve(
      "private_key_password",
      "privateKeyPassword",
      input.privateKeyPassword,
      stored,
      sameSender,
    );
    const { smime, certificate = "" } = input;
    await inspectForm(
      { smime, certificate },
      { privateKey: pem, privateKeyPassword: passphrase },
      platform.now(),
    );
    const { username } = input;
    const isSame = stored !== undefined && isSameTarget(stored, { ...endpoint, username });
    return {
      ...toSending(input, identifier, endpoint, password),
      // A client of the 14 keys tests what will be used.
      ...resolveFurther(input, isSame ? stored : undefined),
      signing: signingOf(input, pem, passphrase),
    };
  }

  async function send(
    server: Parameters<ReturnType<SubmitFor>>[0],
    { identifier, recipient }: MailTest,
    actor: AuditActor,
    options: OwnSubmitOptions,
  ): Promise<SubmitResult> {
    const submit = submitFor({ name: `admin ${actor.administrator}@${actor.realm}`, actor });
    return submit(server, testMessage(identifier, recipient), options);
  }

  return {
    /** Tests a configuration that need not be saved. */
    async sendUnsaved(
      input: ServerInput,
      test: MailTest,
      actor: AuditActor,
      options: OwnSubmitOptions = {},
    ): Promise<SubmitResult> {
      return send(() => unsaved(input, test.identifier), test, actor, options);
    },

    /** Tests a definition as it is stored, while the caller waits unless the options say otherwise. */
    async sendStored(
      test: MailTest,
      actor: AuditActor,
      options: OwnSubmitOptions = {},
    ): Promise<SubmitResult> {
      return send(test.identifier, test, actor, { queue: false, ...options });
    },

    /** Checks an unsaved definition up to a point, and sends nothing. */
    async checkUnsaved(
      input: ServerInput,
      identifier: string,
      check: ServerCheck,
      actor: AuditActor,
    ): Promise<CheckResult> {
      return checkServer(await unsaved(input, identifier), check, actor);
    },

    /**
     * Checks a stored definition up to a point, and sends nothing.
     * @throws {SealpostError} `resource_not_found`.
     */
    async checkStored(identifier: string, check: ServerCheck, actor: AuditActor): Promise<CheckResult> {
      const server = await servers.load(identifier);
      if (server === null) throw serverNotFound();
      return checkServer(server, check, actor);
    },
  };
}

function testMessage(identifier: string, recipient: Mailbox) {
  const name = identifier === "" ? "under test" : identifier;
  return {
    to: [recipient],
    subject: "Test Email from Sealpost",
    text: `This is a test email from Sealpost.\n\nThe configuration ${name} works.\n`,
  };
}

function toSending(
  input: ServerInput,
  identifier: string,
  endpoint: Endpoint,
  password: Secret,
): Omit<ResolvedServer, "signing"> {
  const { username, sender, dontSendOnError, enqueueJob } = input;
  const timeoutMs = input.timeout * 1000;
  const given = { username, password, timeoutMs, sender, dontSendOnError, enqueueJob };
  return { ...endpoint, ...given, identifier, poolKey: null };
}

function signingOf(input: ServerInput, pem: Secret, passphrase: Secret): ResolvedServer["signing"] {
  if (!input.smime) return null;
  return {
    cacheKey: null,
    certificate: input.certificate ?? "",
    decryptedKey: async () => null,
    originalKey: async () => ({ pem, passphrase }),
  };
}

/** Whether a definition leads to the same host and port under the same name. */
function isSameTarget(
  stored: SmtpServerRow,
  { host, port, username }: Endpoint & Pick<ServerInput, "username">,
): boolean {
  const endpoint = parseEndpoint(stored);
  return endpoint?.host === host && endpoint.port === port && stored.username === username;
}

/** A borrowed key signs only in the name it was stored for. */
function assertKeySender(stored: SmtpServerRow, input: ServerInput, parameter: string): void {
  if (senderOf(stored)?.address === senderOf(input)?.address) return;
  throw invalidParameter(parameter, "the stored one is borrowed only for the same sender; give it again");
}
