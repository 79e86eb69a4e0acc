import { getLogger } from "@logtape/logtape";
import type { Hono, MiddlewareHandler } from "hono";
import { withDeadline } from "../async/abort.ts";
import type { Env } from "../contracts/env.ts";
import type { PluginInstance } from "../contracts/plugin/definition.ts";
import { METHODS, type Route } from "../contracts/route.ts";
import { SealpostError } from "../errors.ts";
import { addRoute, type RouteDeps, rejectOtherMethods } from "../wire/mount-routes.ts";
import { actionOf, actionsOf } from "../wire/route.ts";
import type { RegisteredPlugin } from "./server-usage.ts";
import { assertNoProblems, type ValidatedPlugin } from "./validate.ts";

/** Time limit of a request to a plugin: enough for inline delivery through a slow mail server. */
export const DEFAULT_REQUEST_MS = 30_000;
/** Fixed segments and `:variables`. A wildcard would match the paths of others. */
const PATH = /^(\/(:\w+(\{[^/{}]+\})?|[\w.~-]+))+\/?$/;

const log = getLogger(["sealpost", "plugin"]);

interface Owned {
  readonly plugin: string;
  readonly route: Route;
  readonly method: string;
  readonly path: string;
}

/** The routes of all plugins. */
export interface PluginRoutes {
  readonly routes: readonly Route[];
  /** Returns `METHOD /route/<parameter>` of each route of a plugin. */
  actionsOf(plugin: string): readonly string[];
  /** Adds the routes with such a path to an app. */
  mount(app: Pick<Hono<Env>, "on">, deps: RouteDeps, isServed: (path: string) => boolean): void;
}

/** The last checked routes of plugins. The next instance of a process most often has the same. */
const checked = new WeakMap<readonly ValidatedPlugin[], string>();

/**
 * Collects the routes of plugins by their full paths.
 * @param core the routes of Sealpost itself.
 * @throws {SealpostError} `bad_setting` for a route without a right that is not open, and for a path that is malformed or
 * taken.
 */
export function collectRoutes(
  plugins: readonly ValidatedPlugin[],
  registered: readonly RegisteredPlugin[],
  core: readonly Route[],
  { requestMs, rights }: { readonly requestMs: number; readonly rights: readonly string[] },
): PluginRoutes {
  const owned = registered.flatMap(({ plugin: { name }, instance }) => routesOf(name, instance));
  assertNoProblems(owned.flatMap(unbuilt));
  const text = checkedText(owned, core, rights);
  if (checked.get(plugins) !== text) assertRoutes(owned, core, rights);
  checked.set(plugins, text);
  const routes = owned.map(({ route }) => route);
  return {
    routes,
    actionsOf: (name) => actionsOf(owned.filter(({ plugin }) => plugin === name).map(({ route }) => route)),
    mount(app, deps, isServed) {
      const methods = new Map<string, string[]>();
      for (const { plugin, route, method, path } of owned) {
        if (!isServed(path)) continue;
        methods.set(path, [...(methods.get(path) ?? []), method]);
        addRoute(app, route, deps, guarded(plugin, actionOf(method, path), requestMs));
      }
      for (const [path, allowed] of methods) rejectOtherMethods(app, path, allowed);
    },
  };
}

/** Returns everything that {@link assertRoutes} depends on. */
function checkedText(routes: readonly Owned[], core: readonly Route[], rights: readonly string[]): string {
  const guards = routes.map(({ plugin, method, path, route: { declaration } }) => {
    const { right, open, anyAdmin } = declaration;
    return [plugin, method, path, right, open, anyAdmin];
  });
  return JSON.stringify([guards, core.map(({ declaration }) => declaration.path), rights]);
}

/** @throws {SealpostError} `bad_setting`, one line with every problem. */
function assertRoutes(routes: readonly Owned[], core: readonly Route[], rights: readonly string[]): void {
  const problems = [
    ...routes.flatMap(misshapen),
    ...routes.flatMap((one) => unguarded(one, rights)),
    ...shadowed(routes, core),
    ...clashing(routes),
  ];
  assertNoProblems([...new Set(problems)]);
}

function routesOf(plugin: string, { routes = [] }: PluginInstance): Owned[] {
  const list = "routes" in routes && Array.isArray(routes.routes) ? routes.routes : routes;
  return list.map((route) => {
    const { method, path } = route.declaration ?? route;
    return { plugin, route, method, path };
  });
}

/** A plugin in JavaScript, or one that casts, can pass anything: an app, or an object of its own. */
function unbuilt({ plugin, route, method, path }: Owned): string[] {
  return route.declaration ? [] : [`${plugin}: the route ${method} ${path} is not built by route()`];
}

function unguarded({ plugin, route, method, path }: Owned, known: readonly string[]): string[] {
  const { right, open, anyAdmin } = route.declaration;
  const needed = typeof right === "string" ? [right].filter((name) => name !== "") : (right?.among ?? []);
  const isOpen = open === true;
  if (anyAdmin && right === undefined && open === undefined) return [];
  if (isOpen === needed.length > 0 || (open !== undefined && !isOpen)) {
    return [`${plugin}: the route ${method} ${path} needs either a right or open: true`];
  }
  return needed
    .filter((name) => !known.includes(name))
    .map((name) => `${plugin}: the route ${method} ${path} names the right "${name}", which does not exist`);
}

/** Creates the middleware that limits and logs failures of a route, so that they only affect this request. */
function guarded(plugin: string, action: string, requestMs: number): MiddlewareHandler<Env> {
  const late = () => new SealpostError("too_slow", "This took too long and was canceled: try again later");
  const report = (error: unknown): void => {
    if (error instanceof SealpostError && error.code !== "too_slow") return;
    log.error("Plugin {plugin} failed in {action}: {error}", { plugin, action, error });
  };
  return async function guarded(c, next) {
    c.set("auditAction", action);
    c.set("plugin", plugin);
    const work = next();
    try {
      await withDeadline(work, requestMs, () => {
        // The response is sent without the work, whose failure only the log can show.
        work.catch(report);
        return late();
      });
    } catch (error) {
      report(error);
      throw error instanceof Error
        ? error
        : new Error(`Plugin ${plugin} threw something other than an Error`, { cause: error });
    }
  };
}

function misshapen({ plugin, method, path }: Owned): string[] {
  if (!METHODS.some((one) => one === method)) {
    return [`${plugin}: the route "${path}" needs a method: expected one of ${METHODS.join(", ")}`];
  }
  return PATH.test(path) ? [] : [`${plugin}: "${path}" is not a valid path`];
}

function shadowed(routes: readonly Owned[], core: readonly Route[]): string[] {
  const near = nearOf(core, ({ declaration }) => declaration.path);
  return routes
    .filter(({ path }) => near(path).some(({ declaration }) => overlap(path, declaration.path)))
    .map(({ plugin, method, path }) => `sealpost and ${plugin} both have the route ${method} ${path}`);
}

function clashing(routes: readonly Owned[]): string[] {
  const places = new Map(routes.map((route, at) => [route, at]));
  const near = nearOf(routes, ({ path }) => path);
  return routes.flatMap((route, at) =>
    near(route.path)
      .filter(
        (other) =>
          (places.get(other) ?? at) < at &&
          other.method === route.method &&
          (other.plugin === route.plugin ? other.path === route.path : overlap(other.path, route.path)),
      )
      .map((other) =>
        other.plugin === route.plugin
          ? `${route.plugin} has the route ${route.method} ${route.path} twice`
          : `${other.plugin} and ${route.plugin} both have the route ${route.method} ${route.path}`,
      ),
  );
}

/** Returns a lookup of the routes that may overlap with a path: most others have another first segment. */
function nearOf<T>(routes: readonly T[], pathOf: (route: T) => string): (path: string) => readonly T[] {
  const firstOf = (path: string) => {
    const [first = ""] = segmentsOf(path);
    return first.startsWith(":") ? null : first;
  };
  const byFirst = Map.groupBy(routes, (route) => firstOf(pathOf(route)));
  const anyFirst = byFirst.get(null) ?? [];
  return (path) => {
    const first = firstOf(path);
    return first === null ? routes : [...(byFirst.get(first) ?? []), ...anyFirst];
  };
}

/** Whether there is a URL that both paths match. */
function overlap(left: string, right: string): boolean {
  const [one, two] = [segmentsOf(left), segmentsOf(right)];
  return (
    one.length === two.length &&
    one.every((segment, at) => segment === two[at] || segment.startsWith(":") || two[at]?.startsWith(":"))
  );
}

/** Each path is compared with all others. */
const SEGMENTS = new Map<string, readonly string[]>();

function segmentsOf(path: string): readonly string[] {
  const known = SEGMENTS.get(path);
  if (known !== undefined) return known;
  const segments = path.split("/").filter((segment) => segment !== "");
  SEGMENTS.set(path, segments);
  return segments;
}
