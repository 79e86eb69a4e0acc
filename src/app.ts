import { Hono } from "hono";
import type { Env } from "./contracts/env.ts";
import { auditRoutes } from "./http/audit.ts";
import { authRoutes } from "./http/auth.ts";
import { healthRoutes } from "./http/health.ts";
import { mailCollection, mailRoutes } from "./http/mail.ts";
import { openApiDocument } from "./http/openapi.ts";
import { pluginRoutes } from "./http/plugins.ts";
import { policyCollection, policyRoutes } from "./http/policy.ts";
import { smtpServerCollection, smtpServerRoutes } from "./http/smtpserver.ts";
import { smtpServerTestRoutes } from "./http/smtpserver-test.ts";
import { systemCollection, systemRoutes } from "./http/system.ts";
import { actionOf } from "./plugin/event-names.ts";
import { emitActions } from "./plugin/events.ts";
import type { Services } from "./services.ts";
import { auditFailures, createErrorHandler } from "./wire/error-handler.ts";
import { allowOnly, urlNotFound } from "./wire/not-found.ts";
import { limitBody, type RequestOptions, requestContext } from "./wire/request.ts";
import { checkUrl } from "./wire/url.ts";

export interface AppSettings extends Omit<RequestOptions, "platform"> {
  /** Whether GET shows the passwords of definitions. */
  readonly revealSecrets: boolean;
  /** Whether the instance is ready only when it has an admin, as a server is. Default: false. */
  readonly needsAdmin?: boolean;
}

/** The HTTP interface; a host app may mount it under a path of its own. */
export function createApp(services: Services, settings: AppSettings) {
  const { platform, plugins } = services;
  const parts = { ...services, ...settings };
  const routes = new Hono<Env>()
    .use((_, next) => services.epoch.run(next))
    .use(requestContext({ ...settings, platform }), emitActions(plugins))
    .use(auditFailures(services.auditLog), checkUrl(), limitBody())
    .route("/", healthRoutes(parts))
    .route("/auth", authRoutes(parts))
    .route("/policy/", policyCollection(parts))
    .route("/policy", policyCollection(parts))
    .route("/policy", policyRoutes(parts))
    .route("/smtpserver/", smtpServerCollection(parts))
    .route("/smtpserver", smtpServerCollection(parts))
    .route("/smtpserver", smtpServerTestRoutes(parts))
    .route("/smtpserver", smtpServerRoutes(parts))
    .route("/audit/", auditRoutes(parts))
    .route("/audit", auditRoutes(parts))
    .route("/mail/", mailCollection(parts))
    .route("/mail", mailCollection(parts))
    .route("/mail", mailRoutes(parts))
    .route("/plugins/", pluginRoutes(parts))
    .route("/plugins", pluginRoutes(parts))
    .route("/system/", systemCollection(parts))
    .route("/system", systemCollection(parts))
    .route("/system", systemRoutes(parts));
  routes.onError(createErrorHandler(platform));
  const { app, aliases } = plugins.mount([...routes.routes, DOCUMENT], coreActions(routes.routes));
  routes.route("/", app);
  return routes
    .get(DOCUMENT.path, openApiDocument(routes, aliases))
    .all(DOCUMENT.path, allowOnly("GET"))
    .all("*", urlNotFound);
}

const DOCUMENT = { method: "GET", path: "/openapi.json" } as const;

/** What audit rows call the routes that need a right; a collection has one name. */
function coreActions(routes: readonly { readonly method: string; readonly path: string }[]): string[] {
  const paths = new Set(routes.map(({ path }) => path));
  return routes
    .filter(({ method, path }) => method !== "ALL" && !paths.has(`${path}/`) && !UNSEEN.includes(path))
    .map(({ method, path }) => actionOf(method, path));
}
/** What a load balancer asks. */
const UNSEEN = ["/healthz", "/readyz"];

/** For the typed client: `hc<SealpostApp>("http://127.0.0.1:8080")`. */
export type SealpostApp = ReturnType<typeof createApp>;
