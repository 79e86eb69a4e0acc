import { lazyPage } from "../components/lazy.tsx";
import { navigation } from "../i18n/navigation.ts";
import type { Page } from "../router.ts";
import { serverPage } from "./server.tsx";
import { serversPage } from "./servers.tsx";
import { testPage } from "./test.tsx";

/** Every page, in the order of the navigation. The first one opens after the login. */
export const PAGES: readonly Page[] = [
  serversPage,
  serverPage,
  testPage,
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
];
