import type { CORE_RIGHTS } from "../../domain/policy.ts";
import { dictionary } from "./language.ts";

type Rights = Readonly<Record<keyof typeof CORE_RIGHTS, string>>;

const rights = dictionary(
  {
    smtpserver_read: "Read server definitions",
    smtpserver_write: "Create, change, delete and test server definitions",
    smtpserver_route: "Change where the mail of plugins goes",
    policyread: "Read policies",
    policywrite: "Create, change, enable and disable policies",
    policydelete: "Delete policies",
    auditlog: "Read the audit log",
    mail_read: "Read queued mail, never the content",
    mail_write: "Retry or cancel queued mail",
    configread: "Read the settings of plugins",
    configwrite: "Change the settings of plugins",
    apikey_read: "List API keys",
    apikey_write: "Create and delete API keys",
    mail_send: "Send messages",
    metrics_read: "Read the metrics",
    adminread: "List admins",
    adminwrite: "Create, change and delete admins",
  } satisfies Rights,
  {
    smtpserver_read: "Serverdefinitionen lesen",
    smtpserver_write: "Serverdefinitionen anlegen, ändern, löschen und testen",
    smtpserver_route: "Ändern, wohin Nachrichten von Plugins gehen",
    policyread: "Richtlinien lesen",
    policywrite: "Richtlinien anlegen, ändern und umschalten",
    policydelete: "Richtlinien löschen",
    auditlog: "Das Protokoll lesen",
    mail_read: "Die Warteschlange lesen, nie den Inhalt",
    mail_write: "Nachrichten erneut versuchen oder abbrechen",
    configread: "Einstellungen von Plugins lesen",
    configwrite: "Einstellungen von Plugins ändern",
    apikey_read: "API-Schlüssel auflisten",
    apikey_write: "API-Schlüssel anlegen und löschen",
    mail_send: "Nachrichten senden",
    metrics_read: "Metriken lesen",
    adminread: "Admins auflisten",
    adminwrite: "Admins anlegen, ändern und löschen",
  },
);

/** The rights of the core, in the order in which a form lists them. */
export function coreRights(): string[] {
  return Object.keys(rights());
}

/** Returns what a right permits; empty for those of plugins. */
export function rightText(right: string): string {
  return new Map<string, string>(Object.entries(rights())).get(right) ?? "";
}
