import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { Env } from "../contracts/env.ts";
import type { Route } from "../contracts/route.ts";
import { SealpostError } from "../errors.ts";
import { envelopeOf } from "./envelope.ts";
import type { RequireRight } from "./guard.ts";
import { describeOperation } from "./operation.ts";
import { limitBody } from "./request.ts";
import { actionOf, declaredPath, isGuardedWrite, pathNamesOf, type SchemaOf } from "./route.ts";
import { validateRequest } from "./validate.ts";

export interface RouteDeps {
  readonly requireRight: RequireRight;
  readonly now: () => Date;
}

/** Mounts a list of routes. Their order is the order of matching; a path that is complete rejects other methods. */
export function mountRoutes<R extends Route>(routes: readonly R[], deps: RouteDeps): Hono<Env, SchemaOf<R>> {
  const app = new Hono<Env, SchemaOf<R>>();
  for (const one of routes) {
    addRoute(app, one, deps);
    const here = routes.filter(({ declaration }) => declaration.path === one.declaration.path);
    if (here.at(-1) !== one || one.declaration.sharesPath) continue;
    rejectOtherMethods(
      app,
      one.declaration.path,
      here.map(({ declaration }) => declaration.method),
    );
  }
  return app;
}

/** Adds one route. @param before runs before its guard. */
export function addRoute(
  app: Pick<Hono<Env>, "on">,
  { declaration, handler }: Route,
  { requireRight, now }: RouteDeps,
  ...before: readonly MiddlewareHandler<Env>[]
): void {
  const { method, path, right, isQuiet = false, isProvedByRead = false, parameters = {} } = declaration;
  const action = actionOf(method, path);
  const routePath = declaredPath(path);
  const options = { isProvedByRead };
  const chosen = typeof right === "object" ? right : null;

  const start: MiddlewareHandler<Env> = async (c, next) => {
    c.set("routePath", routePath);
    if (!isQuiet) c.set("auditAction", action);
    await next();
  };
  const rights = chosen?.among ?? (typeof right === "string" ? [right] : []);
  const guard = rights.length > 0 || declaration.anyAdmin ? [requireRight(rights, options)] : [];
  const handle = async (c: Context<Env>) => {
    const given = await validateRequest(c, parameters, declaration.checkNames);
    if (chosen) await requireRight([chosen.of(given)], options)(c, async () => undefined);
    const result = await handler(c, given);
    // Open routes have clients that can do nothing about a notice.
    const notices = isGuardedWrite(declaration) ? c.get("notices") : [];
    return result instanceof Response ? result : c.json(envelopeOf(result, now(), notices));
  };
  // The second name of a collection is not in the OpenAPI document.
  if (!declaration.isHidden) app.on(method, [path], ...describeOperation(declaration));
  const limit = limitBody(declaration.maxBodyBytes);
  app.on(method, pathNamesOf(path), start, limit, ...before, ...guard, handle);
}

/** Answers every other method of a path with 405 and `Allow` (RFC 9110 15.5.6). */
export function rejectOtherMethods(
  app: Pick<Hono<Env>, "on">,
  path: string,
  methods: readonly string[],
): void {
  app.on("ALL", pathNamesOf(path), (c: Context<Env>) => {
    c.header("Allow", methods.join(", "));
    throw new SealpostError("method_not_allowed", `The method ${c.req.method} is not allowed here`);
  });
}
