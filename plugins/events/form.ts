import { CONDITIONS } from "./conditions.ts";
import { RECIPIENT_KINDS } from "./recipients.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

/** One option of `sendmail`, as `GET /event/actions/UserNotification` tells of it. */
export interface Option {
  readonly type: "str" | "text" | "bool";
  readonly required: boolean;
  readonly description: string;
  readonly value?: readonly string[];
  /** It says more of another option, where that has this value. */
  readonly visibleIf?: string;
  readonly visibleValue?: string;
}

export const ACTION = "sendmail";
export const POSITION = "post";
export const MIME_TYPES = ["plain", "html"] as const;
/** The options that say who, each with companions that say more: `To`, `To email`, `To admin realm`, … */
export const WHO = ["To", "reply_to"] as const;
export const KINDS = Object.keys(RECIPIENT_KINDS);
/** `reply_to` may say nobody. */
export const NOBODY = "";

/** Name of the option that says more of who. */
export function companionOf(who: (typeof WHO)[number], kind: string): string {
  return `${who} ${kind}`;
}

/** The options of `sendmail` under the names that clients of the reference know. */
export function sendmailOptions(servers: readonly string[]): Record<string, Option> {
  const companions = WHO.flatMap((who) =>
    Object.entries(RECIPIENT_KINDS).map(([kind, { description, needsCompanion }]): [string, Option] => [
      companionOf(who, kind),
      { type: "str", required: needsCompanion, description, visibleIf: who, visibleValue: kind },
    ]),
  );
  return {
    emailconfig: {
      type: "str",
      required: false,
      description:
        "SMTP servers, comma-separated: the next is used when one is down; default: the one called default",
      value: servers,
    },
    mimetype: { type: "str", required: false, description: "Plain text or HTML", value: MIME_TYPES },
    language: { type: "str", required: false, description: "Of the built-in texts", value: LANGUAGES },
    subject: { type: "str", required: false, description: "Template of the subject" },
    body: { type: "text", required: false, description: "Template of the body; in HTML values are escaped" },
    To: { type: "str", required: false, description: "Who gets the mail; default: tokenowner", value: KINDS },
    reply_to: {
      type: "str",
      required: false,
      description: "Who gets answers; default: whom the SMTP server's sender names",
      value: [NOBODY, ...KINDS],
    },
    ...Object.fromEntries(companions),
  };
}

interface Description {
  readonly operationId: string;
  readonly summary: string;
  readonly of: (servers: readonly string[]) => unknown;
}

/** What clients ask to build a form, by the last word but one of the path. */
export const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  actions: {
    operationId: "listEventActions",
    summary: "List actions and their options",
    of: (servers) => ({ [ACTION]: sendmailOptions(servers) }),
  },
  conditions: {
    operationId: "listEventConditions",
    summary: "List conditions",
    of: () =>
      Object.fromEntries(
        Object.entries(CONDITIONS).map(([name, { type, description, values }]) => [
          name,
          { type, desc: description, ...(values ? { value: values } : {}) },
        ]),
      ),
  },
  positions: { operationId: "listEventPositions", summary: "List positions", of: () => [POSITION] },
  defaults: {
    operationId: "listEventDefaults",
    summary: "List defaults of a binding",
    of: () => {
      const [language] = LANGUAGES;
      const { subject, body } = TEXTS[language];
      return { subject, body, language, mimetype: MIME_TYPES[0], To: "tokenowner" };
    },
  },
};
