import { lazyPage } from "../components/lazy.tsx";
import { navigation } from "../i18n/navigation.ts";
import type { Page } from "../router.ts";
import { serversPage } from "./servers.tsx";

/** Every page, in the order of the navigation. The first one opens after the login. */
export const PAGES: readonly Page[] = [
  serversPage,
  lazyPage({
    name: "server",
    parent: "servers",
    right: "smtpserver_write",
    load: async () => (await import("./server.tsx")).ServerView,
  }),
  lazyPage({
    name: "test",
    parent: "servers",
    right: "smtpserver_write",
    load: async () => (await import("./test.tsx")).TestView,
  }),
  lazyPage({
    name: "mail",
    label: () => navigation().mail,
    right: "mail_read",
    load: async () => (await import("./mail.tsx")).MailView,
  }),
  lazyPage({
    name: "message",
    parent: "mail",
    right: "mail_read",
    load: async () => (await import("./message.tsx")).MessageView,
  }),
  lazyPage({
    name: "compose",
    parent: "mail",
    right: "mail_send",
    load: async () => (await import("./compose.tsx")).ComposeView,
  }),
  lazyPage({
    name: "people",
    label: () => navigation().people,
    right: "userlist",
    load: async () => (await import("./people.tsx")).PeopleView,
  }),
  lazyPage({
    name: "person",
    parent: "people",
    load: async () => (await import("./person.tsx")).PersonView,
  }),
  lazyPage({
    name: "tokens",
    parent: "people",
    right: "tokenlist",
    load: async () => (await import("./tokens.tsx")).TokensView,
  }),
  lazyPage({
    name: "gateways",
    label: () => navigation().gateways,
    right: "smsgateway_read",
    load: async () => (await import("./gateways.tsx")).GatewaysView,
  }),
  lazyPage({
    name: "gateway",
    parent: "gateways",
    right: "smsgateway_write",
    load: async () => (await import("./gateway.tsx")).GatewayView,
  }),
  lazyPage({
    name: "events",
    label: () => navigation().events,
    right: "eventhandling_read",
    load: async () => (await import("./events.tsx")).EventsView,
  }),
  lazyPage({
    name: "event",
    parent: "events",
    right: "eventhandling_write",
    load: async () => (await import("./event.tsx")).EventView,
  }),
  lazyPage({
    name: "webhooks",
    parent: "events",
    right: "eventhandling_read",
    load: async () => (await import("./webhooks.tsx")).WebhooksView,
  }),
  lazyPage({
    name: "settings",
    label: () => navigation().settings,
    right: "configread",
    load: async () => (await import("./settings.tsx")).SettingsView,
  }),
  lazyPage({
    name: "policies",
    label: () => navigation().policies,
    right: "policyread",
    load: async () => (await import("./policies.tsx")).PoliciesView,
  }),
  lazyPage({
    name: "policy",
    parent: "policies",
    right: "policywrite",
    load: async () => (await import("./policy.tsx")).PolicyView,
  }),
  lazyPage({
    name: "admins",
    label: () => navigation().admins,
    right: "adminread",
    load: async () => (await import("./admins.tsx")).AdminsView,
  }),
  lazyPage({
    name: "admin",
    parent: "admins",
    right: "adminwrite",
    load: async () => (await import("./admin.tsx")).AdminView,
  }),
  lazyPage({
    name: "keys",
    label: () => navigation().keys,
    right: "apikey_read",
    load: async () => (await import("./keys.tsx")).KeysView,
  }),
  lazyPage({
    name: "key",
    parent: "keys",
    right: "apikey_write",
    load: async () => (await import("./key.tsx")).KeyView,
  }),
  lazyPage({
    name: "audit",
    label: () => navigation().audit,
    right: "auditlog",
    load: async () => (await import("./audit.tsx")).AuditView,
  }),
  lazyPage({
    name: "system",
    label: () => navigation().system,
    right: "configread",
    load: async () => (await import("./system.tsx")).SystemView,
  }),
];
