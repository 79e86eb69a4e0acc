import { getLogger } from "@logtape/logtape";
import { Hono, type MiddlewareHandler } from "hono";
import type { RouterRoute } from "hono/types";
import { withDeadline } from "../async/deadline.ts";
import type { Env } from "../contracts/env.ts";
import type { PluginInstance } from "../contracts/plugin/definition.ts";
import type { Route } from "../contracts/route.ts";
import { SealpostError } from "../errors.ts";
import { addRoute, type RouteDeps, rejectOtherMethods } from "../wire/mount-routes.ts";
import { actionOf, pathNamesOf } from "../wire/route-names.ts";
import { assertNoProblems } from "./validate.ts";

/** As long as a slow mail server may take that answers a plugin's inline mail in the end. */
export const DEFAULT_REQUEST_MS = 30_000;
/** Fixed segments and `:variables`; no wildcard, which would take what is somebody else's. */
const PATH = /^(\/(:\w+(\{[^/{}]+\})?|[\w.~-]+))+\/?$/;

const log = getLogger(["sealpost", "plugin"]);

type Owned = Pick<RouterRoute, "method" | "path"> & {
  readonly plugin: string;
  /** Of an app: a handler, of which a path may have several. */
  readonly handler?: RouterRoute["handler"];
  readonly route?: Route;
};

/** The routes of plugins, ready to be mounted. */
export interface PluginRoutes {
  readonly app: Hono<Env>;
  /** `METHOD /route/<parameter>` by plugin. */
  readonly actions: ReadonlyMap<string, readonly string[]>;
}

/**
 * Mounts the routes of plugins by their full paths.
 * @param core the routes of Sealpost itself.
 * @throws {SealpostError} `bad_setting` for a route that needs a right, and for a path that is malformed or taken.
 */
export function mountPlugins(
  plugins: readonly { readonly name: string; readonly instance: PluginInstance }[],
  core: readonly Route[],
  deps: RouteDeps & { readonly requestMs: number; readonly rights: readonly string[] },
): PluginRoutes {
  const routes = plugins.flatMap(({ name, instance }) => ownedBy(name, instance));
  const problems = [
    ...routes.flatMap(misshapen),
    ...routes.flatMap((one) => unguarded(one, deps.rights)),
    ...repeated(routes),
    ...shadowed(routes, core),
    ...clashing(routes),
  ];
  assertNoProblems([...new Set(problems)]);

  const app = new Hono<Env>();
  const actions = new Map<string, string[]>(plugins.map(({ name }) => [name, []]));
  const methods = new Map<string, string[]>();
  for (const { plugin, method, path, handler, route } of routes) {
    const action = actionOf(method, path);
    const known = methods.get(path) ?? [];
    const before = guarded(plugin, action, deps.requestMs);
    if (!known.includes(method)) {
      methods.set(path, [...known, method]);
      actions.get(plugin)?.push(action);
      if (handler) app.on(method, pathNamesOf(path), before);
    }
    if (route) addRoute(app, route, deps, before);
    else if (handler) {
      const [name = path, ...others] = pathNamesOf(path);
      app.on(method, [name], handler);
      if (others.length > 0) app.on(method, others, (c, next) => handler(c, next));
    }
  }
  for (const [path, allowed] of methods) rejectOtherMethods(app, path, allowed);
  return { app, actions };
}

function ownedBy(plugin: string, { routes = [] }: PluginInstance): Owned[] {
  if ("routes" in routes) return routes.routes.map((one) => ({ ...one, plugin }));
  return routes.map((route) => {
    const { method, path } = route.declaration;
    return { plugin, method, path, route };
  });
}

/** A plugin in JavaScript, or one that casts, can leave out what the compiler asks for. */
function unguarded({ plugin, method, path, route }: Owned, known: readonly string[]): string[] {
  if (!route) return [];
  const { right, open } = route.declaration;
  const needed = typeof right === "string" ? [right].filter((name) => name !== "") : (right?.among ?? []);
  const isOpen = open === true;
  if (isOpen === needed.length > 0 || (open !== undefined && !isOpen)) {
    return [`${plugin}: the route ${method} ${path} needs either a right or open: true`];
  }
  return needed
    .filter((name) => !known.includes(name))
    .map((name) => `${plugin}: the route ${method} ${path} names the right "${name}", which does not exist`);
}

function repeated(routes: readonly Owned[]): string[] {
  const declared = routes.filter(({ route }) => route);
  return declared
    .filter((one, index) =>
      declared
        .slice(0, index)
        .some(
          (other) => other.plugin === one.plugin && other.method === one.method && other.path === one.path,
        ),
    )
    .map(({ plugin, method, path }) => `${plugin} has the route ${method} ${path} twice`);
}

/** Stands before the handlers of a route: what goes wrong in them costs this request only. */
function guarded(plugin: string, action: string, requestMs: number): MiddlewareHandler<Env> {
  const late = () => new SealpostError("too_slow", "This took too long and was given up; try again later");
  return async function guarded(c, next) {
    c.set("auditAction", action);
    c.set("plugin", plugin);
    try {
      await withDeadline(next(), requestMs, late);
    } catch (error) {
      log.error("Plugin {plugin} failed in {action}: {error}", { plugin, action, error });
      throw error instanceof Error ? error : new Error(`Plugin ${plugin} threw no Error`, { cause: error });
    }
    if (c.error && !(c.error instanceof SealpostError)) {
      log.error("Plugin {plugin} failed in {action}", { plugin, action });
    }
  };
}

function misshapen({ plugin, method, path }: Owned): string[] {
  if (method === "ALL") return [`${plugin}: the route "${path}" has to name its methods`];
  return PATH.test(path) ? [] : [`${plugin}: "${path}" is no path of a route`];
}

function shadowed(routes: readonly Owned[], core: readonly Route[]): string[] {
  return routes
    .filter(({ path }) => core.some(({ declaration }) => overlap(path, declaration.path)))
    .map(({ plugin, method, path }) => `sealpost and ${plugin} both have the route ${method} ${path}`);
}

function clashing(routes: readonly Owned[]): string[] {
  return routes.flatMap((route, at) =>
    routes
      .slice(0, at)
      .filter(
        (other) =>
          other.plugin !== route.plugin && other.method === route.method && overlap(other.path, route.path),
      )
      .map(
        (other) => `${other.plugin} and ${route.plugin} both have the route ${route.method} ${route.path}`,
      ),
  );
}

/** Whether there is a URL that both paths match. */
function overlap(left: string, right: string): boolean {
  const [one, two] = [segmentsOf(left), segmentsOf(right)];
  return (
    one.length === two.length &&
    one.every((segment, at) => segment === two[at] || segment.startsWith(":") || two[at]?.startsWith(":"))
  );
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}
