import * as v from "valibot";
import { parseEndpoint } from "../domain/endpoint.ts";
import { parseMailbox } from "../domain/mailbox.ts";
import { Secret } from "../domain/secret.ts";
import { DEFINITION_DEFAULTS as DEFAULTS, DEFINITION_FIELDS } from "../domain/smtp-server.ts";
import type { ServerInput } from "../mail/servers/save.ts";
import { noticeEntries } from "../wire/notices.ts";
import { described, named, wholeNumber } from "../wire/schemas.ts";

/** The name of the test route, which no definition can have. */
export const TEST_ROUTE = "send_test_email";
const MOST_CHARACTERS = 255;
/** Key, chain and description are long; nothing that people write is longer. */
const MOST_TEXT_CHARACTERS = 65_535;
const MOST_DESCRIPTION_CHARACTERS = 2_000;

const RESERVED = [".", "..", TEST_ROUTE];
// Control characters would reach commands and headers.
const CONTROL = /\p{Cc}/u;

/** One line of text. */
export const line = v.pipe(
  v.string("expected a text"),
  v.maxLength(MOST_CHARACTERS, `expected at most ${MOST_CHARACTERS} characters`),
  v.check((text) => !CONTROL.test(text), "expected one line without control characters"),
);
const longText = v.pipe(
  v.string("expected a text"),
  v.maxLength(MOST_TEXT_CHARACTERS, `expected at most ${MOST_TEXT_CHARACTERS} characters`),
);
export const flag = v.boolean("expected true or false");

// Normalised before anything else, as the two forms of a name differ in length.
export const identifierText = v.pipe(
  v.string("expected a text"),
  v.transform((text) => text.normalize("NFC")),
  line,
  v.check(
    (text) => !text.includes("/") && !RESERVED.includes(text) && text.trim() !== "",
    `expected a name without "/" that is not one of ${RESERVED.join(", ")}`,
  ),
);

/** The name of a definition in a path. */
export const identifierParams = v.object({
  identifier: described(identifierText, "Unique name of the definition, case-sensitive"),
});

const server = v.pipe(
  line,
  v.check(
    (text) => text === "" || parseEndpoint({ server: text, port: 25, tls: false }) !== null,
    "expected host, host:port, smtp://host[:port] or smtps://host[:port]",
  ),
);
export const mailboxOrEmpty = v.pipe(
  line,
  v.check(
    (text) => text === "" || parseMailbox(text) !== null,
    "expected one mailbox, such as mail@example.org",
  ),
);

const { choices: PIPELINING_MODES } = DEFINITION_FIELDS.pipelining;
const { choices: AUTH_MECHANISMS } = DEFINITION_FIELDS.authMechanism;

/** A field beyond privacyIDEA's 14: absent keeps the stored value, null or empty resets it. */
const further = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.nullish(described(schema, `${description}. Absent: unchanged; null or empty: default`));

const furtherEntries = {
  max_connections: further(wholeNumber(1, 100), "Connections of one process to the server at a time"),
  mails_per_minute: further(wholeNumber(0, 1_000_000), "Queued messages in any minute, 0 for no limit"),
  pipelining: further(
    v.picklist(PIPELINING_MODES, `expected ${PIPELINING_MODES.join(" or ")}`),
    "off: one SMTP command at a time, for servers and middleboxes that break otherwise",
  ),
  auth_mechanism: further(
    v.picklist(AUTH_MECHANISMS, `expected one of ${AUTH_MECHANISMS.join(", ")}`),
    "SASL mechanism; auto: the first that the server offers, by preference",
  ),
};

const definitionEntries = {
  server: described(server, "Host, host:port, smtp://host[:port] or smtps://host[:port] (implicit TLS)"),
  port: v.optional(described(wholeNumber(1, 65_535), "TCP port; one inside server wins"), DEFAULTS.port),
  username: v.optional(described(line, "SMTP AUTH user; empty: no AUTH"), DEFAULTS.username),
  password: v.optional(
    described(
      line,
      "SMTP AUTH password. On update, absent or __CENSORED__ keeps the stored one, empty clears it",
    ),
  ),
  sender: v.optional(
    described(mailboxOrEmpty, "From of mail that names none; empty: username, if that is an address"),
    DEFAULTS.sender,
  ),
  tls: v.optional(described(flag, "STARTTLS, or failure"), DEFAULTS.tls),
  timeout: v.optional(
    described(wholeNumber(1, 300), "Seconds that each step may take; a whole mail, four times that"),
    DEFAULTS.timeout,
  ),
  enqueue_job: v.optional(described(flag, "Queue mail instead of sending it at once"), DEFAULTS.enqueueJob),
  description: v.optional(
    described(
      v.pipe(
        v.string("expected a text"),
        v.maxLength(
          MOST_DESCRIPTION_CHARACTERS,
          `expected at most ${MOST_DESCRIPTION_CHARACTERS} characters`,
        ),
      ),
      "Free text",
    ),
    DEFAULTS.description,
  ),
  smime: v.optional(described(flag, "Sign mail with S/MIME"), DEFAULTS.smime),
  dont_send_on_error: v.optional(
    described(flag, "Do not send mail that cannot be signed"),
    DEFAULTS.dontSendOnError,
  ),
  private_key: v.optional(
    described(longText, "Private key as PEM text. On update, absent or __CENSORED__ keeps the stored one"),
  ),
  private_key_password: v.optional(
    described(
      longText,
      "Passphrase of the private key. On update, absent or __CENSORED__ keeps the stored one",
    ),
  ),
  certificate: v.optional(
    described(longText, "Certificate as PEM text, chain included; absent on update: stays with a kept key"),
  ),
  ...furtherEntries,
};

/** Parameters of POST /smtpserver/<identifier>. */
export const definitionParams = v.object(definitionEntries);

export const listParams = v.object({
  censor: v.optional(
    described(flag, "Show __CENSORED__ for passwords, whatever SEALPOST_SECRETS says"),
    false,
  ),
});

/** The definition that the parameters describe. */
export function toServerInput(params: v.InferOutput<typeof definitionParams>): ServerInput {
  const { server, port, username, sender, tls, timeout, description, smime, certificate } = params;
  return {
    ...{ server, port, username, sender, tls, timeout, description, smime, certificate },
    enqueueJob: params.enqueue_job,
    maxConnections: params.max_connections,
    mailsPerMinute: params.mails_per_minute,
    pipelining: params.pipelining,
    authMechanism: params.auth_mechanism,
    dontSendOnError: params.dont_send_on_error,
    password: secret(params.password),
    privateKey: secret(params.private_key),
    privateKeyPassword: secret(params.private_key_password),
  };
}

function secret(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : new Secret(text);
}

/** One definition as GET shows it: exactly these keys. */
export const definitionView = named(
  "ServerDefinition",
  v.object({
    server: v.string(),
    port: v.number(),
    username: v.string(),
    password: v.string(),
    sender: v.string(),
    tls: v.boolean(),
    timeout: v.number(),
    enqueue_job: v.boolean(),
    description: v.string(),
    smime: v.boolean(),
    dont_send_on_error: v.boolean(),
    private_key: v.string(),
    private_key_password: v.string(),
    certificate: v.string(),
  }),
);
export type DefinitionView = v.InferOutput<typeof definitionView>;

/** `detail` of GET /smtpserver/<identifier>: what is not of the definition itself. */
export const definitionDetail = v.object({
  health: v.object({
    circuit: described(
      v.picklist(["closed", "open", "half-open"]),
      "open: its server failed, and queued mail waits until a probe at next_try succeeds; half-open: it is probed",
    ),
    failures: described(
      v.number(),
      "How often in a row the server could not be reached or rejected the login",
    ),
    since: described(v.nullable(v.string()), "The first of them; ISO 8601, UTC"),
    next_try: v.nullable(v.string()),
    last_failure: v.nullable(v.object({ date: v.string(), phase: v.string(), code: v.string() })),
    waiting: described(v.number(), "Queued mails on their way"),
  }),
  limits: v.object({ max_connections: v.number(), mails_per_minute: v.number() }),
  transport: v.object({
    pipelining: v.picklist(PIPELINING_MODES),
    auth_mechanism: v.picklist(AUTH_MECHANISMS),
  }),
  ...noticeEntries,
});
export type DefinitionDetail = v.InferOutput<typeof definitionDetail>;

export const smimeView = named(
  "SmimeResult",
  v.object({
    signed: v.boolean(),
    code: v.optional(v.string()),
    reason: v.optional(v.string()),
  }),
);

export const definitionTag = {
  name: "SMTP servers",
  description: "Named definitions of mail servers, and tests of them",
};

/** A definition as a client saves it. */
export const EXAMPLE = { server: "mail.example.org", sender: "app@example.org", tls: true, port: 587 };
export const EXAMPLE_VIEW: DefinitionView = {
  ...EXAMPLE,
  username: "",
  password: "",
  timeout: 10,
  enqueue_job: false,
  description: "",
  smime: false,
  dont_send_on_error: false,
  private_key: "",
  private_key_password: "",
  certificate: "",
};
