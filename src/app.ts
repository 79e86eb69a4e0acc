import type { Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import type { Env } from "./contracts/env.ts";
import type { Route } from "./contracts/route.ts";
import { adminRoutes } from "./http/admin.ts";
import { apiKeyRoutes } from "./http/apikey.ts";
import { auditRoutes } from "./http/audit.ts";
import { authRoutes } from "./http/auth.ts";
import { healthRoutes } from "./http/health.ts";
import { mailRoutes } from "./http/mail.ts";
import { mailSendRoutes } from "./http/mail-send.ts";
import { metricsRoutes } from "./http/metrics.ts";
import { oauthRoutes } from "./http/oauth.ts";
import { openApiRoutes } from "./http/openapi.ts";
import { addPageRoutes, type ReadPageFiles } from "./http/page.ts";
import { pluginRoutes } from "./http/plugins.ts";
import { policyRoutes } from "./http/policy.ts";
import { providerRoutes } from "./http/provider.ts";
import { smtpServerRoutes } from "./http/smtpserver.ts";
import { smtpServerInspectRoutes } from "./http/smtpserver-inspect.ts";
import { smtpServerTestRoutes } from "./http/smtpserver-test.ts";
import { systemRoutes } from "./http/system.ts";
import { emitActions } from "./plugin/events.ts";
import type { Services } from "./services.ts";
import { auditFailures, createErrorHandler, urlNotFound } from "./wire/error-handler.ts";
import { addRoutes, ResourceRouter } from "./wire/mount-routes.ts";
import { checkUrl, measureRequests, type RequestOptions, requestContext } from "./wire/request.ts";
import type { SchemaOf } from "./wire/route.ts";

export interface AppSettings extends Omit<RequestOptions, "platform"> {
  /** Whether GET shows the passwords of definitions. */
  readonly revealSecrets: boolean;
  /** Whether the instance is ready only when it has an admin, as a server is. Default: false. */
  readonly needsAdmin?: boolean;
  /** Whether `/ui/` serves the admin page, and `/` leads a browser there. Default: false. */
  readonly ui?: boolean;
  /** Reads the files of the admin page. Default: something else serves them, such as static assets on Workers. */
  readonly readPageFiles?: ReadPageFiles | undefined;
}

/** The routes of Sealpost itself. Their order is the order of matching. */
function coreRoutes(deps: Services & AppSettings) {
  return [
    ...healthRoutes(deps),
    ...authRoutes(deps),
    ...adminRoutes(deps),
    ...policyRoutes(deps),
    ...apiKeyRoutes(deps),
    ...smtpServerTestRoutes(deps),
    ...smtpServerInspectRoutes(deps),
    ...smtpServerRoutes(deps),
    ...oauthRoutes(deps),
    ...providerRoutes(),
    ...auditRoutes(deps),
    ...mailSendRoutes(deps),
    ...mailRoutes(deps),
    ...metricsRoutes(deps),
    ...pluginRoutes(deps),
    ...systemRoutes(deps),
  ];
}

/** The app, with the types of its routes for a typed client: `hc<SealpostApp>("http://127.0.0.1:8080")`. */
export type SealpostApp = Hono<Env, SchemaOf<ReturnType<typeof coreRoutes>[number]>>;

/** Creates the HTTP interface. A host app may mount it under a path of its own. */
export function createApp(services: Services, settings: AppSettings): SealpostApp {
  const { platform, plugins } = services;
  const core = coreRoutes({ ...services, ...settings });
  const deps = { requireRight: services.requireRight, now: () => platform.now() };
  const app: SealpostApp = new HonoBase({ router: new ResourceRouter() });
  app.use(measureRequests(services.meter));
  // Before the rules of the API, because its files may be cached.
  if (settings.ui) addPageRoutes(app, settings.readPageFiles);
  app
    .use((_, next) => services.epoch.run(next))
    .use(requestContext({ ...settings, platform }), emitActions(plugins))
    .use(auditFailures(services.auditLog), checkUrl());
  app.onError(createErrorHandler(platform));
  const documented: Route[] = [...core];
  const document = openApiRoutes({ routes: documented, baseUrl: services.baseUrl });
  addRoutes(app, core, deps);
  documented.push(...plugins.mount(app, [...core, ...document], deps));
  addRoutes(app, document, deps);
  app.all("*", urlNotFound);
  return app;
}
