import type { Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import { TrieRouter } from "hono/router/trie-router";
import { getPath } from "hono/utils/url";
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
import type { PluginRoutes } from "./plugin/routes.ts";
import type { Services } from "./services.ts";
import { auditFailures, createErrorHandler, urlNotFound } from "./wire/error-handler.ts";
import { addRoutes } from "./wire/mount-routes.ts";
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

/** Start of a first segment that fits several resources. */
const VARIABLE = ":";

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

/** The routes of an instance before an app serves them. */
interface AppRoutes {
  readonly core: readonly Route[];
  readonly plugins: PluginRoutes;
  /** The OpenAPI document of the others. */
  readonly document: readonly Route[];
}

/** Creates the routes of an instance. @throws {SealpostError} `bad_setting` if those of plugins do not fit. */
export function createRoutes(deps: Services & AppSettings): AppRoutes {
  const core = coreRoutes(deps);
  const documented: Route[] = [...core];
  const document = openApiRoutes({ routes: documented, baseUrl: deps.baseUrl });
  const plugins = deps.plugins.routes([...core, ...document]);
  documented.push(...plugins.routes);
  return { core, plugins, document };
}

/**
 * Creates the HTTP interface. A host app may mount it under a path of its own.
 * @param isServed whether the app serves the routes with this path. Default: all.
 */
export function createApp(
  { core, plugins, document }: AppRoutes,
  deps: Services & AppSettings,
  isServed: (path: string) => boolean = () => true,
): SealpostApp {
  const { platform } = deps;
  const guard = { requireRight: deps.requireRight, now: () => platform.now() };
  const isOwn = ({ declaration }: Route) => isServed(declaration.path);
  const app: SealpostApp = new HonoBase({ router: new TrieRouter() });
  app.use(measureRequests(deps.meter));
  // Before the rules of the API, because its files may be cached.
  if (deps.ui) addPageRoutes(app, deps.readPageFiles);
  app
    .use((_, next) => deps.epoch.run(next))
    .use(requestContext(deps), emitActions(deps.plugins))
    .use(auditFailures(deps.auditLog), checkUrl());
  app.onError(createErrorHandler(platform));
  addRoutes(app, core.filter(isOwn), guard);
  plugins.mount(app, guard, isServed);
  addRoutes(app, document.filter(isOwn), guard);
  app.all("*", urlNotFound);
  return app;
}

/**
 * Creates the HTTP interface of a process that serves nothing else and starts often: an app for each resource, the first
 * segment of a path, at its first request. One app with all routes would take a millisecond before the first response.
 */
export function createFetch(
  routes: AppRoutes,
  deps: Services & AppSettings,
): (request: Request) => Response | Promise<Response> {
  const all = [...routes.core, ...routes.plugins.routes, ...routes.document];
  const resources = new Set(all.map(({ declaration }) => resourceOf(declaration.path)));
  const apps = new Map<string, SealpostApp>();
  return (request) => {
    const requested = resourceOf(getPath(request));
    // A client can ask for any number of others, which share an app.
    const resource = resources.has(requested) ? requested : "";
    const serves = (path: string) => [resource, VARIABLE].includes(resourceOf(path));
    const app = apps.get(resource) ?? createApp(routes, deps, serves);
    apps.set(resource, app);
    return app.fetch(request, {});
  };
}

/** Returns the first segment of a path; {@link VARIABLE} if it is not fixed. */
function resourceOf(path: string): string {
  const [, first = ""] = path.split("/", 2);
  return first.startsWith(VARIABLE) ? VARIABLE : first;
}
