import { getLogger } from "@logtape/logtape";
import { Hono, type MiddlewareHandler } from "hono";
import { withDeadline } from "../async/deadline.ts";
import type { Env } from "../contracts/env.ts";
import type { PluginInstance } from "../contracts/plugin/definition.ts";
import { SealpostError } from "../errors.ts";
import { allowOnly } from "../wire/not-found.ts";
import { actionOf } from "./event-names.ts";
import { assertNoProblems } from "./validate.ts";

/** As long as a slow mail server may take that answers a plugin's inline mail in the end. */
export const DEFAULT_REQUEST_MS = 30_000;
/** Fixed segments and `:variables`; no wildcard, which would take what is somebody else's. */
const PATH = /^(\/(:\w+(\{[^/{}]+\})?|[\w.~-]+))+\/?$/;
const MIDDLEWARE = /\*$/;

const log = getLogger(["sealpost", "plugin"]);

type Route = NonNullable<PluginInstance["routes"]>["routes"][number];
interface Owned extends Route {
  readonly plugin: string;
}

/** The routes of plugins, ready to be mounted. */
export interface PluginRoutes {
  readonly app: Hono<Env>;
  /** `METHOD /route/<parameter>` by plugin. */
  readonly actions: ReadonlyMap<string, readonly string[]>;
  /** Collections by their names without the final slash. */
  readonly aliases: readonly string[];
}

/**
 * Mounts the routes of plugins by their full paths.
 * @param core the routes that are there already.
 * @throws {SealpostError} `bad_setting` for a path that cannot be, or that two want.
 */
export function mountPlugins(
  plugins: readonly { readonly name: string; readonly instance: PluginInstance }[],
  core: readonly Pick<Route, "method" | "path">[],
  requestMs: number,
): PluginRoutes {
  const routes = plugins.flatMap(({ name, instance }) =>
    (instance.routes?.routes ?? []).map((route): Owned => ({ ...route, plugin: name })),
  );
  assertNoProblems([
    ...new Set([...routes.flatMap(misshapen), ...shadowed(routes, core), ...clashing(routes)]),
  ]);

  const app = new Hono<Env>();
  const actions = new Map<string, string[]>(plugins.map(({ name }) => [name, []]));
  const methods = new Map<string, string[]>();
  for (const { plugin, method, path, handler } of routes) {
    const action = actionOf(method, path);
    const known = methods.get(path) ?? [];
    if (!known.includes(method)) {
      methods.set(path, [...known, method]);
      actions.get(plugin)?.push(action);
      for (const name of namesOf(path)) app.on(method, name, guarded(plugin, action, requestMs));
    }
    for (const name of namesOf(path)) app.on(method, name, handler);
  }
  for (const [path, allowed] of methods) {
    for (const name of namesOf(path)) app.all(name, allowOnly(...allowed));
  }
  return { app, actions, aliases: [...methods.keys()].flatMap((path) => namesOf(path).slice(1)) };
}

/** A collection answers without its final slash, too. */
function namesOf(path: string): string[] {
  return path.endsWith("/") ? [path, path.slice(0, -1)] : [path];
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

function shadowed(routes: readonly Owned[], core: readonly Pick<Route, "method" | "path">[]): string[] {
  const taken = core.filter(({ path }) => !MIDDLEWARE.test(path));
  return routes
    .filter(({ path }) => taken.some((other) => overlap(path, other.path)))
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
