import { CONDITIONS } from "./conditions.ts";
import { MIME_TYPES, sendmailOptions } from "./form.ts";
import { ACTION, POSITION } from "./schema.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

interface Description {
  readonly operationId: string;
  readonly summary: string;
  readonly of: (servers: readonly string[]) => unknown;
}

/** What clients ask to build a form, by the last word but one of the path. */
export const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  actions: {
    operationId: "listEventActions",
    summary: "What can be done, with the options of each",
    of: (servers) => ({ [ACTION]: sendmailOptions(servers) }),
  },
  conditions: {
    operationId: "listEventConditions",
    summary: "What can be asked of an event",
    of: () =>
      Object.fromEntries(
        Object.entries(CONDITIONS).map(([name, { type, description, values }]) => [
          name,
          { type, desc: description, ...(values ? { value: values } : {}) },
        ]),
      ),
  },
  positions: { operationId: "listEventPositions", summary: "When it can be done", of: () => [POSITION] },
  defaults: {
    operationId: "listEventDefaults",
    summary: "What holds where a binding says nothing",
    of: () => {
      const [language] = LANGUAGES;
      const { subject, body } = TEXTS[language];
      return { subject, body, language, mimetype: MIME_TYPES[0], To: "tokenowner" };
    },
  },
};
