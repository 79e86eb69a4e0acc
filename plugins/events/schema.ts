import {
  CENSORED,
  described,
  domainOf,
  invalidParameter,
  jsonObject,
  missingParameter,
  named,
  parseMailbox,
  serverNames,
  templateText,
  wholeNumber,
} from "sealpost/plugin";
import * as v from "valibot";
import type { RecipientBounds } from "./bounds.ts";
import { CONDITIONS, conditionProblem, listOf, listText } from "./conditions.ts";
import {
  ACTIONS,
  type ActionName,
  actionOptions,
  argumentOf,
  KINDS,
  KINDS_OF,
  MIME_TYPES,
  NO_RECIPIENT,
  POSITION,
  RECIPIENT_OPTIONS,
  SECRET_OPTIONS,
} from "./form.ts";
import type { Binding, NewBinding } from "./store.ts";
import { LANGUAGES, TAGS } from "./texts.ts";
import {
  type GivenSecrets,
  type SealedSecrets,
  webhookHeaders,
  webhookSecret,
  webhookUrl,
} from "./webhook-options.ts";

export const HANDLER_MODULE = "UserNotification";
const OPTION = "option.";
const MAX_CHARACTERS = 1_000;
const MAX_EVENTS = 200;
const MAX_ORDERING = 1_000_000;

const line = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CHARACTERS, `expected at most ${MAX_CHARACTERS} characters`),
  v.check((text) => !/\p{Cc}/u.test(text), "expected one line without control characters"),
);
const oneOf = (values: readonly string[]) =>
  v.pipe(
    v.string(`expected ${values.join(" or ")}`),
    v.check(
      (value) => values.includes(value),
      `expected ${values.map((value) => value || '""').join(" or ")}`,
    ),
  );
const never = (why: string) =>
  v.optional(
    v.pipe(
      v.boolean("expected true or false"),
      v.check((value) => !value, why),
    ),
    false,
  );
const bindingId = wholeNumber(1, Number.MAX_SAFE_INTEGER);

const eventList = v.pipe(
  v.union([v.string(), v.array(v.string())], "expected names of events, comma-separated or as a list"),
  v.transform((given) => listOf(typeof given === "string" ? given : given.join(","))),
  v.minLength(1, "expected one event at least"),
  v.maxLength(MAX_EVENTS, `expected at most ${MAX_EVENTS} events`),
);

const OPTIONS = actionOptions([]);
const optionSchemas: Readonly<Record<string, v.GenericSchema>> = {
  emailconfig: v.optional(serverNames),
  smsconfig: v.optional(
    described(
      v.pipe(
        line,
        v.transform((name) => name.normalize("NFC")),
      ),
      OPTIONS.sendsms.smsconfig?.description ?? "",
    ),
  ),
  mimetype: v.optional(oneOf(MIME_TYPES)),
  language: v.optional(oneOf(LANGUAGES)),
  subject: v.optional(templateText(TAGS)),
  body: v.optional(templateText(TAGS)),
  To: v.optional(oneOf([...new Set(Object.values(KINDS_OF).flatMap((kinds) => Object.keys(kinds)))])),
  reply_to: v.optional(oneOf([NO_RECIPIENT, ...KINDS])),
  url: v.optional(webhookUrl),
  secret: v.optional(webhookSecret),
  headers: v.optional(webhookHeaders),
};
const optionEntries = Object.fromEntries(
  Object.values(OPTIONS)
    .toReversed()
    .flatMap((options) => Object.entries(options))
    .map(([name, { description }]) => [
      `${OPTION}${name}`,
      optionSchemas[name] ?? v.optional(described(line, description)),
    ]),
);

/** Parameters of a binding. Each save replaces all of it. */
export const bindingParams = v.object({
  id: v.optional(bindingId),
  name: line,
  event: eventList,
  handlermodule: oneOf([HANDLER_MODULE]),
  action: v.picklist(ACTIONS, `expected ${ACTIONS.join(" or ")}`),
  position: v.optional(v.pipe(oneOf([POSITION])), POSITION),
  ordering: v.optional(wholeNumber(-MAX_ORDERING, MAX_ORDERING), 0),
  active: v.optional(v.boolean("expected true or false"), true),
  conditions: v.optional(jsonObject, {}),
  abort_on_error: never("a notification never makes a request fail"),
  "option.attach_qrcode": never("QR codes are not supported"),
  ...optionEntries,
});
type BindingParams = v.InferOutput<typeof bindingParams> & Readonly<Record<string, unknown>>;

/** The id of a binding in a path. */
export const idParams = v.object({
  id: v.pipe(v.string(), v.regex(/^\d{1,15}$/, "expected a number"), v.transform(Number), bindingId),
});

const texts = v.record(v.string(), v.string());
/** A binding in privacyIDEA's format. */
export const bindingView = named(
  "EventBinding",
  v.object({
    id: v.number(),
    name: v.string(),
    event: v.array(v.string()),
    handlermodule: v.string(),
    action: v.string(),
    position: v.string(),
    ordering: v.number(),
    active: v.boolean(),
    abort_on_error: v.boolean(),
    options: texts,
    conditions: texts,
  }),
);

export function toBindingView({
  event,
  options,
  sealId: _,
  secret,
  headers,
  ...row
}: Binding): v.InferOutput<typeof bindingView> {
  const fixed = { handlermodule: HANDLER_MODULE, position: POSITION, abort_on_error: false };
  const censored = Object.entries({ secret, headers }).map(([name, sealed]) => [name, sealed && CENSORED]);
  const shown = row.action === "webhook" ? Object.fromEntries(censored) : {};
  return { ...row, event: [...event], options: { ...options, ...shown }, ...fixed };
}

/** A binding to save, with its secrets as given. */
export interface GivenBinding {
  readonly row: Omit<NewBinding, keyof SealedSecrets>;
  readonly secrets: GivenSecrets;
}

interface Available {
  readonly eventNames: readonly string[];
  readonly bounds: RecipientBounds;
  readonly hasSms: boolean;
}

/**
 * Returns the binding of validated parameters.
 * @param available the names of all events, the bounds of fixed recipients, and whether a plugin sends SMS.
 * @throws {SealpostError} `invalid_parameter` or `missing_parameter`.
 */
export function toBinding(given: BindingParams, available: Available): GivenBinding {
  const unknown = given.event.find((name) => !available.eventNames.includes(name));
  if (unknown !== undefined)
    throw invalidParameter("event", `there is no event "${unknown}": see GET /event/available`);
  const { name, event, action, ordering, active } = given;
  const { secret, headers, ...options } = readOptions(given, action);
  for (const option of RECIPIENT_OPTIONS) assertRecipients(option, action, options);
  assertAvailable(action, options, available);
  const row = { name, event, action, ordering, active, options };
  return { row: { ...row, conditions: readConditions(given.conditions) }, secrets: { secret, headers } };
}

/** @throws {SealpostError} `invalid_parameter` for an action without its plugin, and for recipients outside the bounds. */
function assertAvailable(
  action: ActionName,
  options: Readonly<Record<string, string>>,
  { hasSms, bounds }: Available,
): void {
  if (action === "sendsms" && !hasSms)
    throw invalidParameter("action", "no plugin sends SMS; sms-gateway does");
  const outside = "expected a domain that the plugin option recipients names";
  if (options.url !== undefined && !bounds.includes(new URL(options.url).hostname))
    throw invalidParameter(`${OPTION}url`, outside);
  for (const option of RECIPIENT_OPTIONS) {
    const name = argumentOf(option, "email");
    const isNamed = options[option] === "email";
    const addresses = isNamed ? listOf(options[name] ?? "") : [];
    const isInside = (text: string) => bounds.includes(domainOf(parseMailbox(text)?.address ?? ""));
    if (!addresses.every(isInside)) throw invalidParameter(`${OPTION}${name}`, outside);
  }
  if (bounds.isBounded && options.To === "phone")
    throw invalidParameter(`${OPTION}To`, "the plugin option recipients allows no fixed phone numbers");
}

/** @throws {SealpostError} `invalid_parameter` for an option of another action. */
function readOptions(given: BindingParams, action: ActionName): Record<string, string> {
  const names = Object.keys(optionEntries).filter((name) => given[name] !== undefined);
  const options = names.map((name) => {
    const value = given[name];
    return [name.slice(OPTION.length), Array.isArray(value) ? listText(value) : String(value)] as const;
  });
  for (const [name, { required, visibleIf }] of Object.entries(OPTIONS[action])) {
    const isStored = SECRET_OPTIONS.some((secret) => secret === name);
    if (required && !visibleIf && !isStored && !options.some(([given]) => given === name))
      throw missingParameter(`${OPTION}${name}`);
  }
  const foreign = options.find(([name, value]) => value !== "" && !Object.hasOwn(OPTIONS[action], name));
  if (foreign) throw invalidParameter(`${OPTION}${foreign[0]}`, `the action ${action} has no such option`);
  return Object.fromEntries(options.filter(([name]) => Object.hasOwn(OPTIONS[action], name)));
}

function assertRecipients(
  option: (typeof RECIPIENT_OPTIONS)[number],
  action: ActionName,
  options: Readonly<Record<string, string>>,
): void {
  const kind = options[option];
  const kinds = KINDS_OF[action] ?? {};
  if (!kind) return;
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (!known) throw invalidParameter(`${OPTION}${option}`, `expected ${Object.keys(kinds).join(" or ")}`);
  const argument = argumentOf(option, kind);
  const value = options[argument] ?? "";
  if (value === "" && known.needsArgument) throw missingParameter(`${OPTION}${argument}`);
  const problem = value === "" ? null : known.problem?.(value);
  if (problem) throw invalidParameter(`${OPTION}${argument}`, problem);
}

/** Booleans are `True` and `False`, as privacyIDEA's clients write them. */
function readConditions(given: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const condition = Object.hasOwn(CONDITIONS, name) ? CONDITIONS[name] : undefined;
      const names = Object.keys(CONDITIONS).join(", ");
      if (!condition)
        throw invalidParameter("conditions", `there is no condition "${name}"; expected ${names}`);
      const text = condition.type === "bool" ? toBoolean(value) : toText(value);
      const problem = text === null ? "expected a text" : conditionProblem(condition, text);
      if (text === null || problem) throw invalidParameter("conditions", `${name}: ${problem}`);
      return [name, text];
    }),
  );
}

function toBoolean(value: unknown): string {
  return ["true", "1"].includes(String(value).toLowerCase())
    ? "True"
    : ["false", "0"].includes(String(value).toLowerCase())
      ? "False"
      : String(value);
}

function toText(value: unknown): string | null {
  const text = Array.isArray(value) ? listText(value) : value;
  const isLine = typeof text === "string" && text.length <= MAX_CHARACTERS && !/\p{Cc}/u.test(text);
  return isLine && text.isWellFormed() ? text : null;
}
