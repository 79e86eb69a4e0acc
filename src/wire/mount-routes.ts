import type { Context, Hono, MiddlewareHandler } from "hono";
import type { Env } from "../contracts/env.ts";
import type { Route } from "../contracts/route.ts";
import { SealpostError } from "../errors.ts";
import { envelopeOf } from "./envelope.ts";
import type { RequireRight } from "./guard.ts";
import { limitBody } from "./request.ts";
import { actionOf, declaredPath, isGuardedWrite, pathNamesOf } from "./route.ts";
import { validateRequest } from "./validate.ts";

export interface RouteDeps {
  readonly requireRight: RequireRight;
  readonly now: () => Date;
}

type App = Pick<Hono<Env>, "on">;

/** Adds a list of routes. Their order is the order of matching; a path that is complete rejects other methods. */
export function addRoutes(app: App, routes: readonly Route[], deps: RouteDeps): void {
  const byPath = Map.groupBy(routes, ({ declaration }) => declaration.path);
  for (const one of routes) {
    const { path, sharesPath } = one.declaration;
    const here = byPath.get(path) ?? [];
    addRoute(app, one, deps);
    if (here.at(-1) !== one || sharesPath) continue;
    rejectOtherMethods(
      app,
      path,
      here.map(({ declaration }) => declaration.method),
    );
  }
}

/** Adds one route. Its handler is created for its first request. @param before runs before its guard. */
export function addRoute(
  app: App,
  route: Route,
  deps: RouteDeps,
  ...before: readonly MiddlewareHandler<Env>[]
): void {
  const { method, path } = route.declaration;
  let handle: MiddlewareHandler<Env> | null = null;
  app.on(method, pathNamesOf(path), (c, next) => {
    handle ??= handlerOf(route, deps, before);
    return handle(c, next);
  });
}

/** Creates the one handler of a route. An app with several for each would take longer to start, and to match. */
function handlerOf(
  { declaration, handler }: Route,
  { requireRight, now }: RouteDeps,
  before: readonly MiddlewareHandler<Env>[],
): MiddlewareHandler<Env> {
  const { method, path, right, isQuiet = false, isProvedByRead = false, parameters = {} } = declaration;
  const action = actionOf(method, path);
  const routePath = declaredPath(path);
  const options = { isProvedByRead };
  const chosen = typeof right === "object" ? right : null;
  const rights = chosen?.among ?? (typeof right === "string" ? [right] : []);
  const guard = rights.length > 0 || declaration.anyAdmin ? [requireRight(rights, options)] : [];

  const respond = async (c: Context<Env>, given: Parameters<Route["handler"]>[1]) => {
    const result = await handler(c, given);
    // Open routes have clients that can do nothing about a notice.
    const notices = isGuardedWrite(declaration) ? c.get("notices") : [];
    const response = result instanceof Response ? result : c.json(envelopeOf(result, now(), notices));
    // The time limit of a plugin may have responded meanwhile.
    if (!c.finalized) c.res = response;
  };
  const handle = async (c: Context<Env>) => {
    const given = await validateRequest(c, parameters, declaration.checkNames);
    if (chosen) await requireRight([chosen.of(given)], options)(c, () => respond(c, given));
    else await respond(c, given);
  };
  const steps = [limitBody(declaration.maxBodyBytes), ...before, ...guard, handle];
  const run = async (c: Context<Env>, index: number): Promise<void> => {
    await steps[index]?.(c, () => run(c, index + 1));
  };
  return async (c) => {
    c.set("routePath", routePath);
    if (!isQuiet) c.set("auditAction", action);
    await run(c, 0);
  };
}

/** Answers every other method of a path with 405 and `Allow` (RFC 9110 15.5.6). */
export function rejectOtherMethods(app: App, path: string, methods: readonly string[]): void {
  app.on("ALL", pathNamesOf(path), (c: Context<Env>) => {
    c.header("Allow", methods.join(", "));
    throw new SealpostError("method_not_allowed", `The method ${c.req.method} is not allowed here`);
  });
}
