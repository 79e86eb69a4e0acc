import { dictionary } from "./language.ts";

/** The links of the navigation, which are also the titles of their pages. */
export const navigation = dictionary(
  {
    mail: "Mail",
    people: "People",
    gateways: "SMS gateways",
    events: "Events",
    settings: "Settings",
    policies: "Policies",
    admins: "Admins",
    keys: "API keys",
    audit: "Audit",
    system: "System",
  },
  {
    mail: "Nachrichten",
    people: "Personen",
    gateways: "SMS-Gateways",
    events: "Ereignisse",
    settings: "Einstellungen",
    policies: "Richtlinien",
    admins: "Admins",
    keys: "API-Schlüssel",
    audit: "Protokoll",
    system: "System",
  },
);
