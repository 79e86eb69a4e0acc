import * as v from "valibot";
import { DEFINITION_FIELDS, type DefinitionField } from "../domain/definition-fields.ts";
import { parseEndpoint, SERVER_FORMS } from "../domain/endpoint.ts";
import { parseMailbox } from "../domain/mailbox.ts";
import { nearestTo } from "../domain/nearest.ts";
import { isSafeUrl } from "../domain/network.ts";
import { findProvider, PROVIDERS } from "../domain/providers/index.ts";
import { Secret } from "../domain/secret.ts";
import type { FieldName } from "../domain/smtp-server.ts";
import type { ServerInput } from "../mail/servers/save.ts";
import { noticeEntries } from "../wire/envelope.ts";
import { described, named, wholeNumber } from "../wire/schemas.ts";

/** The last segment of the test routes. No definition can have this name. */
export const TEST_ROUTE = "send_test_email";
const MAX_CHARACTERS = 255;
/** For keys and certificate chains. */
const MAX_TEXT_CHARACTERS = 65_535;

const RESERVED = [".", "..", TEST_ROUTE];
// Control characters would reach commands and headers.
const CONTROL = /\p{Cc}/u;

/** One line of text. */
export const line = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CHARACTERS, `expected at most ${MAX_CHARACTERS} characters`),
  v.check((text) => !CONTROL.test(text), "expected one line without control characters"),
);
export const longText = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_TEXT_CHARACTERS, `expected at most ${MAX_TEXT_CHARACTERS} characters`),
);
/** A refresh token or client secret: one line, which may be long. */
const token = v.pipe(
  longText,
  v.check((text) => !CONTROL.test(text), "expected one line without control characters"),
);
const webUrl = v.pipe(
  line,
  v.check(
    (text) => text === "" || isSafeUrl(text),
    "expected https://… without user, or http:// on a loopback address",
  ),
);
export const flag = v.boolean("expected true or false");

// Normalized first, because the forms of a name differ in length.
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
    `expected ${SERVER_FORMS}`,
  ),
);
const provider = v.pipe(
  line,
  v.check(
    (text) => text === "" || findProvider(text) !== null,
    ({ input }) => `expected the ID of a preset, such as ${nearestTo(input, Object.keys(PROVIDERS))}`,
  ),
);
export const mailboxOrEmpty = v.pipe(
  line,
  v.check(
    (text) => text === "" || parseMailbox(text) !== null,
    "expected one mailbox, such as mail@example.org",
  ),
);

type Fields = typeof DEFINITION_FIELDS;
type SchemaOf<Field> = Field extends { readonly kind: "choice"; readonly choices: readonly (infer Choice)[] }
  ? v.GenericSchema<Choice>
  : Field extends { readonly kind: "number" }
    ? v.GenericSchema<number>
    : Field extends { readonly kind: "flag" }
      ? v.GenericSchema<boolean>
      : v.GenericSchema<string>;
type EntryOf<Field> = Field extends { readonly detail: string }
  ? v.NullishSchema<SchemaOf<Field>, undefined>
  : Field extends { readonly kind: "secret" | "pem" } | { readonly isPreset: true }
    ? v.OptionalSchema<SchemaOf<Field>, undefined>
    : v.OptionalSchema<SchemaOf<Field>, v.InferOutput<SchemaOf<Field>>>;
type DefinitionEntries = { [K in FieldName as Fields[K]["parameter"]]: EntryOf<Fields[K]> };
type DetailEntries<Group> = {
  [K in FieldName as Fields[K] extends { readonly detail: Group } ? Fields[K]["parameter"] : never]: SchemaOf<
    Fields[K]
  >;
};

const SECRET_FORMATS = { line, token, pem: longText } as const;

function schemaOf(field: DefinitionField): v.GenericSchema {
  switch (field.kind) {
    case "endpoint":
      return server;
    case "mailbox":
      return mailboxOrEmpty;
    case "provider":
      return provider;
    case "line":
      return line;
    case "url":
      return webUrl;
    case "pem":
      return longText;
    case "secret":
      return SECRET_FORMATS[field.format];
    case "text": {
      const expected = `expected at most ${field.maxCharacters} characters`;
      return v.pipe(v.string("expected a text"), v.maxLength(field.maxCharacters, expected));
    }
    case "flag":
      return flag;
    case "number":
      return wholeNumber(field.min, field.max);
    case "choice":
      return v.picklist(field.choices, `expected one of ${field.choices.join(", ")}`);
  }
}

/** A field beyond privacyIDEA's 14 keeps its value if it is absent, and `null` or an empty text resets it. */
function entryOf(field: DefinitionField): v.GenericSchema {
  const { description, kind } = field;
  if (field.detail) {
    const reset =
      kind === "secret"
        ? "Unchanged if absent, null or __CENSORED__; an empty text clears it"
        : "Unchanged if absent; null and an empty text reset it";
    return v.nullish(described(schemaOf(field), `${description}. ${reset}`));
  }
  const schema = described(schemaOf(field), description);
  // Only documented: the preset comes before the default.
  if (field.isPreset && field.kind !== "endpoint" && field.kind !== "secret") {
    return v.optional(v.pipe(schema, v.metadata({ default: field.default })));
  }
  const hasNoDefault = field.isPreset || kind === "secret" || kind === "pem";
  return hasNoDefault ? v.optional(schema) : v.optional(schema, field.default);
}

const FIELDS: readonly DefinitionField[] = Object.values(DEFINITION_FIELDS);
const definitionEntries = Object.fromEntries(
  FIELDS.map((field) => [field.parameter, entryOf(field)]),
) as DefinitionEntries;

/** Returns the schemas of the fields that a member of `detail` shows. */
function detailEntries<Group extends "limits" | "transport" | "auth" | "smime">(
  group: Group,
): DetailEntries<Group> {
  const shown = FIELDS.filter(({ detail }) => detail === group);
  return Object.fromEntries(
    shown.map((field): readonly unknown[] => [
      field.parameter,
      field.kind === "number" ? v.number() : schemaOf(field),
    ]),
  );
}

type ServerOrProvider = { readonly server: string } | { readonly provider: string };
/** Lets a typed client name a server or a provider. Without either the response is 905. */
export function needsServer<S extends v.GenericSchema>(schema: S) {
  return schema as S & v.GenericSchema<v.InferInput<S> & ServerOrProvider, v.InferOutput<S>>;
}

/** Parameters of `POST /smtpserver/<identifier>`. */
export const definitionParams = needsServer(v.object(definitionEntries));

export const listParams = v.object({
  censor: v.optional(
    described(flag, "Show `__CENSORED__` for passwords, regardless of `SEALPOST_SECRETS`"),
    false,
  ),
});

/** Returns the definition that the parameters describe. */
export function toServerInput(params: v.InferOutput<typeof definitionParams>): ServerInput {
  const values = new Map<string, unknown>(Object.entries(params));
  const fields = Object.entries(DEFINITION_FIELDS).map(([name, { parameter, kind }]): readonly unknown[] => {
    const value = values.get(parameter);
    if (kind !== "secret") return [name, value];
    return [name, typeof value === "string" ? new Secret(value) : undefined];
  });
  return Object.fromEntries(fields);
}

/** A definition as `GET` shows it: exactly these keys. */
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

const certificateEntries = {
  subject: v.string(),
  issuer: v.string(),
  serial: described(v.string(), "In hexadecimal digits"),
  sha256: described(v.string(), "Fingerprint"),
  not_before: described(v.string(), "Time: ISO 8601, UTC"),
  not_after: v.string(),
  days_left: described(v.number(), "Whole days; negative if the certificate has expired"),
};
/** The certificate of the signing key. Absent without key or certificate, or if they cannot be read. */
const identityEntries = v.partial(
  v.object({
    ...certificateEntries,
    addresses: described(v.array(v.string()), "Senders that the certificate names"),
    key: described(v.string(), "Kind and size, such as `RSA 2048`"),
    path: described(
      v.array(named("Certificate", v.object(certificateEntries))),
      "The certificate, then its issuers, up to the root if it was given",
    ),
  }),
).entries;

export const identityDetail = v.object(identityEntries);

const healthView = v.object({
  circuit: described(
    v.picklist(["closed", "open", "half-open"]),
    "`open`: the server failed, and queued mail waits until a probe at `next_try` succeeds. `half-open`: a probe is in progress",
  ),
  failures: described(v.number(), "Consecutive failures to reach the server or to log in"),
  since: described(v.nullable(v.string()), "Time of the first of them: ISO 8601, UTC"),
  next_try: v.nullable(v.string()),
  last_failure: v.nullable(v.object({ date: v.string(), phase: v.string(), code: v.string() })),
  waiting: described(v.number(), "Queued messages that are not in a final state"),
});

/** `detail` of `GET /smtpserver/<identifier>`: everything beyond the definition itself. */
export const definitionDetail = v.object({
  health: healthView,
  limits: v.object(detailEntries("limits")),
  transport: v.object(detailEntries("transport")),
  auth: v.object(detailEntries("auth")),
  provider: described(v.string(), "ID of the preset; empty if there is none"),
  smime: v.object({ ...detailEntries("smime"), ...identityEntries }),
  ...noticeEntries,
});
export type DefinitionDetail = v.InferOutput<typeof definitionDetail>;

/** A definition as `detail.servers` of the list shows it. */
const listedDetail = v.object({
  health: healthView,
  limits: v.object(detailEntries("limits")),
  provider: v.string(),
  days_left: described(
    v.nullable(v.number()),
    "Whole days until the certificate of the signing key ends. `null` without one",
  ),
  used_by: described(v.array(v.string()), "Plugins that send through it"),
});
export type ListedDetail = v.InferOutput<typeof listedDetail>;

/** `detail` of `GET /smtpserver/`. */
export const listDetail = v.object({
  ...noticeEntries,
  servers: v.optional(
    described(v.record(v.string(), listedDetail), "With `detail`: each definition under its identifier"),
  ),
});

export const smimeView = named(
  "SmimeResult",
  v.object({
    signed: v.boolean(),
    encrypted: described(v.boolean(), "Whether each recipient gets the message encrypted"),
    code: v.optional(described(v.string(), "Why it is not signed or encrypted as the definition asks")),
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
