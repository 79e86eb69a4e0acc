import { Hono } from "hono";
import type { Env } from "./contracts/env.ts";
import type { Route } from "./contracts/route.ts";
import { auditRoutes } from "./http/audit.ts";
import { authRoutes } from "./http/auth.ts";
import { healthRoutes } from "./http/health.ts";
import { mailRoutes } from "./http/mail.ts";
import { openApiRoutes } from "./http/openapi.ts";
import { pluginRoutes } from "./http/plugins.ts";
import { policyRoutes } from "./http/policy.ts";
import { smtpServerRoutes } from "./http/smtpserver.ts";
import { smtpServerTestRoutes } from "./http/smtpserver-test.ts";
import { systemRoutes } from "./http/system.ts";
import { emitActions } from "./plugin/events.ts";
import type { Services } from "./services.ts";
import { auditFailures, createErrorHandler, urlNotFound } from "./wire/error-handler.ts";
import { mountRoutes } from "./wire/mount-routes.ts";
import { checkUrl, limitBody, type RequestOptions, requestContext } from "./wire/request.ts";

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
  const core = [
    ...healthRoutes(parts),
    ...authRoutes(parts),
    ...policyRoutes(parts),
    ...smtpServerTestRoutes(parts),
    ...smtpServerRoutes(parts),
    ...auditRoutes(parts),
    ...mailRoutes(parts),
    ...pluginRoutes(parts),
    ...systemRoutes(parts),
  ];
  const deps = { requireRight: services.requireRight, now: () => platform.now() };
  const routes = new Hono<Env>()
    .use((_, next) => services.epoch.run(next))
    .use(requestContext({ ...settings, platform }), emitActions(plugins))
    .use(auditFailures(services.auditLog), checkUrl(), limitBody())
    .route("/", mountRoutes(core, deps));
  routes.onError(createErrorHandler(platform));
  const documented: Route[] = [...core];
  const document = openApiRoutes({ app: routes, routes: documented, baseUrl: services.baseUrl });
  const ofPlugins = plugins.mount([...core, ...document], deps);
  documented.push(...ofPlugins.routes);
  routes.route("/", ofPlugins.app).route("/", mountRoutes(document, deps));
  return routes.all("*", urlNotFound);
}

/** For the typed client: `hc<SealpostApp>("http://127.0.0.1:8080")`. */
export type SealpostApp = ReturnType<typeof createApp>;
