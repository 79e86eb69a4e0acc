import { CHECKED, type Provider } from "./provider.ts";

const LOCAL = {
  host: "localhost",
  username: { rule: "free", expected: "any text, or nothing" },
  secret: { kind: "none" },
  checked: CHECKED,
} as const;

/** Catchers for development, which deliver to no one. */
export const LOCAL_CATCHERS = {
  mailpit: {
    ...LOCAL,
    name: "Mailpit",
    ports: { none: 1025 },
    docs: "https://mailpit.axllent.org/docs/configuration/smtp/",
  },
  maildev: { ...LOCAL, name: "MailDev", ports: { none: 1025 }, docs: "https://github.com/maildev/maildev" },
  smtp4dev: { ...LOCAL, name: "smtp4dev", ports: { none: 25 }, docs: "https://github.com/rnwood/smtp4dev" },
  ethereal: {
    name: "Ethereal",
    host: "smtp.ethereal.email",
    ports: { starttls: 587 },
    username: { rule: "mailbox" },
    secret: { kind: "password" },
    docs: "https://ethereal.email/",
    checked: CHECKED,
  },
} as const satisfies Readonly<Record<string, Provider>>;
