import {
  deliveryView,
  described,
  invalidParameter,
  named,
  parseAddress,
  phoneNumber,
  render,
  serverName,
  serverNames,
  templateText,
} from "sealpost/plugin";
import * as v from "valibot";
import { parseRewrite, type Rewrite } from "./rewrite.ts";
import type { GatewayInput, GatewayRow } from "./store.ts";

/** privacyIDEA's name of this kind of gateway. */
const MODULE = "privacyidea.lib.smsprovider.SmtpSMSProvider.SmtpSMSProvider";
/** privacyIDEA's tags; `otp` is the whole text of the SMS. */
const TAGS = ["phone", "otp"];
const MAX_CHARACTERS = 255;
const MAX_DESCRIPTION_CHARACTERS = 2_000;
/** Names that other paths use. */
const RESERVED = [".", "..", "providers", "option", "send_test_sms"];
const SAMPLE = { phone: "+491701234567", otp: "123456" };

const text = (max: number) =>
  v.pipe(v.string("expected a text"), v.maxLength(max, `expected at most ${max} characters`));
const template = templateText(TAGS);
/** Without `otp`: addresses appear in the audit log and in the queue, where codes must not. */
const addressTemplate = templateText(["phone"]);
const regexp = v.pipe(
  v.string("expected a text"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.value === "") return;
    const parsed = parseRewrite(dataset.value);
    if ("problem" in parsed) addIssue({ message: parsed.problem });
  }),
);
const smtpIdentifier = v.pipe(
  text(MAX_CHARACTERS),
  v.check((names) => v.is(serverNames, names), "expected names of SMTP servers, comma-separated"),
  v.transform((names) => names.normalize("NFC")),
);
const identifierText = v.pipe(
  serverName,
  v.check((name) => !/\p{Cc}/u.test(name), "expected one line without control characters"),
  v.check(
    (name) => !name.includes("/") && !RESERVED.includes(name) && name.trim() !== "",
    `expected a name without "/" that is not one of ${RESERVED.join(", ")}`,
  ),
);

/** The options of a gateway, by privacyIDEA's names. */
export const OPTIONS = {
  MAILTO: {
    column: "mailto",
    required: true,
    fallback: "",
    schema: addressTemplate,
    description: "Address at which the gateway accepts email, such as {phone}@sms.example.org",
  },
  SUBJECT: {
    column: "subject",
    required: false,
    fallback: "{phone}",
    schema: template,
    description: "Subject of the message",
  },
  BODY: {
    column: "body",
    required: false,
    fallback: "{otp}",
    schema: template,
    description: "Text of the message; {otp} is the whole text of the SMS",
  },
  REGEXP: {
    column: "regexp",
    required: false,
    fallback: "",
    schema: regexp,
    description: "/pattern/replacement/ for phone numbers, such as /^0/+49/",
  },
  SMTPIDENTIFIER: {
    column: "smtpidentifier",
    required: false,
    fallback: "",
    schema: smtpIdentifier,
    description: "SMTP servers, comma-separated, for failover; if empty, the one named default",
  },
} as const satisfies Readonly<
  Record<string, { readonly column: keyof GatewayRow; readonly [key: string]: unknown }>
>;
export type OptionName = keyof typeof OPTIONS;
export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** Parameters of POST /smsgateway. */
export const gatewayParams = v.object({
  name: described(identifierText, "Unique, case-sensitive"),
  module: v.optional(v.literal(MODULE, `expected ${MODULE}`), MODULE),
  description: v.optional(text(MAX_DESCRIPTION_CHARACTERS), ""),
  "option.MAILTO": described(OPTIONS.MAILTO.schema, OPTIONS.MAILTO.description),
  "option.SUBJECT": v.optional(
    described(OPTIONS.SUBJECT.schema, OPTIONS.SUBJECT.description),
    OPTIONS.SUBJECT.fallback,
  ),
  "option.BODY": v.optional(described(OPTIONS.BODY.schema, OPTIONS.BODY.description), OPTIONS.BODY.fallback),
  "option.REGEXP": v.optional(described(OPTIONS.REGEXP.schema, OPTIONS.REGEXP.description), ""),
  "option.SMTPIDENTIFIER": v.optional(
    described(OPTIONS.SMTPIDENTIFIER.schema, OPTIONS.SMTPIDENTIFIER.description),
    "",
  ),
});

export function toGateway(params: v.InferOutput<typeof gatewayParams>): GatewayInput {
  return {
    identifier: params.name,
    description: params.description,
    mailto: params["option.MAILTO"],
    subject: params["option.SUBJECT"],
    body: params["option.BODY"],
    regexp: params["option.REGEXP"],
    smtpidentifier: params["option.SMTPIDENTIFIER"],
  };
}

/** Rejects misspelled options, which would have no effect otherwise. */
export function assertKnownOptions(names: readonly string[]): void {
  for (const name of names) {
    const [kind = "", key] = name.split(".");
    const isKnown = OPTION_NAMES.some((option) => name === `option.${option}`);
    if (key === undefined || isKnown || !["option", "header", "secret"].includes(kind)) continue;
    throw invalidParameter(name, `expected ${OPTION_NAMES.map((option) => `option.${option}`).join(", ")}`);
  }
}

/** Whether a gateway has an address for a number of the usual form. */
export function yieldsAddress({ mailto, regexp: rule }: Pick<GatewayInput, "mailto" | "regexp">): boolean {
  const phone = rewriteOf(rule)(SAMPLE.phone);
  return parseAddress(render(mailto, { ...SAMPLE, phone }, { line: true })) !== null;
}

/** @throws {TypeError} for a rule that was not validated when it was saved. */
export function rewriteOf(rule: string): Rewrite {
  if (rule === "") return (phone) => phone;
  const parsed = parseRewrite(rule);
  if ("rewrite" in parsed) return parsed.rewrite;
  throw new TypeError(`A stored REGEXP is invalid: ${parsed.problem}`);
}

export const testParams = v.object({
  name: described(identifierText, "Name of a stored gateway"),
  phone: phoneNumber,
  text: v.optional(text(MAX_CHARACTERS)),
});

/** `detail` of a test. */
export const testDetail = v.object({
  code: v.optional(v.string()),
  recipient: v.optional(described(v.string(), "Address of the gateway")),
  delivery: v.optional(deliveryView),
  mail_id: v.optional(v.string()),
});

export const gatewayPath = v.object({ gateway: described(v.string(), "Number or name of the gateway") });

export const keyParams = v.object({
  id: v.pipe(v.string(), v.regex(/^\d{1,15}$/, "expected the number of a gateway")),
  key: v.pipe(
    v.string(),
    v.transform((key) => key.replace(/^option\./, "")),
    v.picklist(OPTION_NAMES, `expected one of ${OPTION_NAMES.join(", ")}`),
  ),
});

/** A gateway as clients see it. */
export const gatewayView = named(
  "SmsGateway",
  v.object({
    id: v.number(),
    name: v.string(),
    providermodule: v.string(),
    description: v.string(),
    options: v.record(v.string(), v.string()),
    headers: v.record(v.string(), v.string()),
  }),
);

export function toGatewayView(row: GatewayRow): v.InferOutput<typeof gatewayView> {
  const { id, identifier, description } = row;
  const options = Object.fromEntries(OPTION_NAMES.map((name) => [name, row[OPTIONS[name].column]]));
  return { id, name: identifier, providermodule: MODULE, description, options, headers: {} };
}

export const providersView = v.record(
  v.string(),
  v.object({
    options_allowed: v.boolean(),
    headers_allowed: v.boolean(),
    parameters: v.record(
      v.string(),
      v.object({
        required: v.boolean(),
        description: v.string(),
        values: v.optional(v.array(v.string())),
      }),
    ),
  }),
);

/** Returns the options of a gateway. @param servers the SMTP servers that it can use */
export function toProvidersView(servers: readonly string[]): v.InferOutput<typeof providersView> {
  const parameters = Object.fromEntries(
    OPTION_NAMES.map((name) => {
      const { required, description } = OPTIONS[name];
      return [name, { required, description, ...(name === "SMTPIDENTIFIER" && { values: [...servers] }) }];
    }),
  );
  return { [MODULE]: { options_allowed: false, headers_allowed: false, parameters } };
}
