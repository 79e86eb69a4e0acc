import { CONDITIONS } from "./conditions.ts";
import { RECIPIENT_KINDS, type RecipientKind } from "./recipients.ts";
import { PHONE_KINDS } from "./sms-recipients.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

/** One option of an action, as `GET /event/actions/UserNotification` shows it. */
interface Option {
  readonly type: "str" | "text" | "bool";
  readonly required: boolean;
  readonly description: string;
  readonly value?: readonly string[];
  /** The option that this one qualifies, and the value of it that needs this one. */
  readonly visibleIf?: string;
  readonly visibleValue?: string;
}

export const ACTIONS = ["sendmail", "sendsms", "webhook"] as const;
export type ActionName = (typeof ACTIONS)[number];
export const POSITION = "post";
export const MIME_TYPES = ["plain", "html"] as const;
/** Options that name recipients. Each has arguments, such as `To email` and `To admin realm` of `To`. */
export const RECIPIENT_OPTIONS = ["To", "reply_to"] as const;
export const KINDS = Object.keys(RECIPIENT_KINDS);
/** Kinds of recipients by action. An action that is absent has none. */
export const KINDS_OF: Readonly<
  Partial<Record<ActionName, Readonly<Record<string, Omit<RecipientKind<unknown>, "find">>>>>
> = { sendmail: RECIPIENT_KINDS, sendsms: PHONE_KINDS };
/** Value of `reply_to` that names no one. */
export const NO_RECIPIENT = "";

/** Returns the name of the option that qualifies a recipient option. */
export function argumentOf(option: (typeof RECIPIENT_OPTIONS)[number], kind: string): string {
  return `${option} ${kind}`;
}

/** Options that are encrypted, and shown as `__CENSORED__`. */
export const SECRET_OPTIONS = ["secret", "headers"] as const;

const WEBHOOK_OPTIONS: Readonly<Record<string, Option>> = {
  url: { type: "str", required: true, description: "An https URL, which gets each event by POST" },
  secret: {
    type: "str",
    required: true,
    description: "Key of the signatures: whsec_ and base64; unchanged if absent, null or __CENSORED__",
  },
  headers: {
    type: "text",
    required: false,
    description:
      "Header fields to add, as a JSON object; unchanged if absent, null or __CENSORED__; an empty text clears them",
  },
};

const SMS_OPTIONS: Readonly<Record<string, Option>> = {
  smsconfig: { type: "str", required: false, description: "SMS gateway; if empty, the one named default" },
  body: { type: "text", required: false, description: "Template of the text" },
  To: {
    type: "str",
    required: false,
    description: "Recipients of the SMS; tokenowner if empty",
    value: Object.keys(PHONE_KINDS),
  },
  ...argumentOptions("To", PHONE_KINDS),
};

/** Returns the options of every action. */
export function actionOptions(
  servers: readonly string[],
): Readonly<Record<ActionName, Readonly<Record<string, Option>>>> {
  return { sendmail: sendmailOptions(servers), sendsms: SMS_OPTIONS, webhook: WEBHOOK_OPTIONS };
}

/** Returns the options of `sendmail` by privacyIDEA's names. */
function sendmailOptions(servers: readonly string[]): Record<string, Option> {
  return {
    emailconfig: {
      type: "str",
      required: false,
      description: "SMTP servers, comma-separated, for failover; if empty, the one named default",
      value: servers,
    },
    mimetype: { type: "str", required: false, description: "Plain text or HTML", value: MIME_TYPES },
    language: {
      type: "str",
      required: false,
      description: "Language of the built-in texts",
      value: LANGUAGES,
    },
    subject: { type: "str", required: false, description: "Template of the subject" },
    body: { type: "text", required: false, description: "Template of the body; values are escaped in HTML" },
    To: {
      type: "str",
      required: false,
      description: "Recipients of the message; tokenowner if empty",
      value: KINDS,
    },
    reply_to: {
      type: "str",
      required: false,
      description: "Recipients of replies; the sender of the SMTP server if empty",
      value: [NO_RECIPIENT, ...KINDS],
    },
    ...argumentOptions("To", RECIPIENT_KINDS),
    ...argumentOptions("reply_to", RECIPIENT_KINDS),
  };
}

function argumentOptions(
  option: (typeof RECIPIENT_OPTIONS)[number],
  kinds: Readonly<Record<string, Pick<RecipientKind<unknown>, "description" | "needsArgument">>>,
): Record<string, Option> {
  return Object.fromEntries(
    Object.entries(kinds).map(([kind, { description, needsArgument }]) => [
      argumentOf(option, kind),
      { type: "str", required: needsArgument, description, visibleIf: option, visibleValue: kind },
    ]),
  );
}

interface Description {
  readonly summary: string;
  readonly of: (servers: readonly string[]) => unknown;
}

/** Data from which clients build a form, by the second-to-last segment of the path. */
export const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  actions: {
    summary: "List event actions",
    of: actionOptions,
  },
  conditions: {
    summary: "List event conditions",
    of: () =>
      Object.fromEntries(
        Object.entries(CONDITIONS).map(([name, { type, description, values }]) => [
          name,
          { type, desc: description, ...(values ? { value: values } : {}) },
        ]),
      ),
  },
  positions: { summary: "List event positions", of: () => [POSITION] },
  defaults: {
    summary: "List event defaults",
    of: () => {
      const [language] = LANGUAGES;
      const { subject, body } = TEXTS[language];
      return { subject, body, language, mimetype: MIME_TYPES[0], To: "tokenowner" };
    },
  },
};
