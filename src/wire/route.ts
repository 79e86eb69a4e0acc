import type { Context, TypedResponse } from "hono";
import type { Schema, ToSchema } from "hono/types";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { JSONParsed } from "hono/utils/types";
import type { GenericSchema, InferInput, InferOutput } from "valibot";
import type { Env } from "../contracts/env.ts";
import type {
  Access,
  Method,
  ParameterSchemas,
  Parameters,
  Route,
  RouteDescription,
  Tag,
} from "../contracts/route.ts";
import type { Envelope, Success } from "./envelope.ts";

/** A route with its types for a typed client. */
export interface TypedRoute<S extends Schema> extends Route {
  /** For the compiler only; never set. */
  readonly "~schema"?: S;
}

/** The first argument of `route`. */
export type RouteDeclaration<
  M extends Method,
  P extends string,
  S extends ParameterSchemas,
  R extends GenericSchema,
> = RouteDescription & {
  readonly method: M;
  /**
   * The full path: fixed segments and `:variables`. A path that ends in `/` is a collection, and also serves requests
   * without the slash.
   */
  readonly path: P;
  readonly parameters?: S;
  /** Schema of `result.value`. The compiler checks the handler against it. */
  readonly response?: R;
  /** The route has no audit name and emits no event: a load balancer asks it every few seconds. */
  readonly isQuiet?: boolean;
  /** Other methods of the path go on to routes with variables, such as the definition of the same name. */
  readonly sharesPath?: boolean;
  /** The OpenAPI document leaves the route out. */
  readonly isHidden?: boolean;
  /**
   * Checks the names of all parameters before the body is validated. Unknown names that it accepts are ignored.
   * @throws {SealpostError} `invalid_parameter`
   */
  checkNames?(names: readonly string[]): void;
} & Access<S>;

/**
 * Declares a route once. Its guard, its name in the audit log, its event, the 405 of other methods and its operation in
 * the OpenAPI document follow from the declaration.
 * @param handler gets the request and its checked parameters. Returns the value of the response, or `respond(value, …)`
 * with more than a value, or a `Response` of its own.
 * @example
 * ```ts
 * route(
 *   { method: "GET", path: "/ledger", right: "ledger_read", response: v.array(v.string()), summary: "Read the ledger" },
 *   async () => ledger.lines(),
 * );
 * ```
 */
export function route<
  const M extends Method,
  const P extends `/${string}`,
  Out extends Result<R>,
  S extends ParameterSchemas = NoParameters,
  R extends GenericSchema = GenericSchema,
>(
  declaration: RouteDeclaration<M, P, S, R>,
  handler: (c: Context<Env>, parameters: Parameters<S>) => Out | Promise<Out>,
): TypedRoute<RouteSchema<M, P, S, Out>> {
  return { declaration: declaration as Route["declaration"], handler };
}

/** Groups routes in the OpenAPI document. */
export function tagged<R extends Route>(tag: Tag, routes: readonly R[]): R[] {
  return routes.map((one) => ({ ...one, declaration: { ...one.declaration, tag } }));
}

/** The types of a list of routes, as `hc` reads them. */
export type SchemaOf<R> =
  Intersection<R extends TypedRoute<infer S> ? S : never> extends infer All extends Schema ? All : Schema;

type NoParameters = Readonly<Record<never, never>>;
type Result<R extends GenericSchema> = Value<R> | Success<Value<R>, unknown, unknown> | Response;
type Value<R extends GenericSchema> = DeepReadonly<InferOutput<R>>;
type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

type RouteSchema<M extends Method, P extends string, S extends ParameterSchemas, Out> = ToSchema<
  M,
  PathNames<P>,
  { in: Input<S> },
  Output<Out>
>;
type PathNames<P extends string> = P extends `${infer Name}/` ? P | Name : P;
type Input<S extends ParameterSchemas> = (S extends { readonly body: infer B extends GenericSchema }
  ? { json: InferInput<B> }
  : NoParameters) &
  (S extends { readonly query: infer Q extends GenericSchema }
    ? { query: Texts<InferInput<Q>> }
    : NoParameters) &
  (S extends { readonly path: infer P extends GenericSchema }
    ? { param: Texts<InferInput<P>> }
    : NoParameters);
/** A client sends the values of a query or a path as text. */
type Texts<T> = { [K in keyof T]: string | (undefined extends T[K] ? undefined : never) };
type Output<Out> = Out extends Response
  ? Out
  : TypedResponse<
      JSONParsed<Out extends Success<infer V, infer D, infer A> ? Envelope<V, D, A> : Envelope<Out>>,
      ContentfulStatusCode,
      "json"
    >;
type Intersection<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

/** Suffix of an event name by method. None for `POST`, whose path names the operation. */
const SUFFIXES: Readonly<Record<string, string>> = {
  GET: "get",
  DELETE: "delete",
  PUT: "update",
  PATCH: "patch",
};
/** A variable segment; braces hold a pattern that it matches. */
const VARIABLE = /:(\w+)(\{[^}]*\})?/g;

/** The name of a route in the audit log: `POST /token/<serial>`. */
export function actionOf(method: string, path: string): string {
  return `${method} ${declaredPath(path)}`;
}

/** Declared paths by path. There are as many as routes, and each instance of a process has the same. */
const declaredPaths = new Map<string, string>();

/** A path with the names of its variables: `/token/<serial>`. */
export function declaredPath(path: string): string {
  const known = declaredPaths.get(path) ?? path.replaceAll(VARIABLE, "<$1>");
  declaredPaths.set(path, known);
  return known;
}

/** Whether a route changes something for an admin. Its `detail` then names parameters that have no effect. */
export function isGuardedWrite({ method, right }: Pick<Route["declaration"], "method" | "right">): boolean {
  return method !== "GET" && right !== undefined;
}

/** The paths under which a route is served: a collection also without its final slash. */
export function pathNamesOf(path: string): string[] {
  return path.endsWith("/") && path !== "/" ? [path, path.slice(0, -1)] : [path];
}

/** The name of the event of each action. There are as many as routes. */
const eventNames = new Map<string, string>();

/**
 * The name of the event of an API action: the fixed parts of its path, and a suffix if they do not name the operation.
 * `POST /token/init` is `token_init`, `GET /token/` `token_list`, `DELETE /token/<serial>` `token_delete`, `POST /user/`
 * `user_add`, `POST /smtpserver/<identifier>` `smtpserver_save`.
 */
export function eventNameOf(action: string): string {
  const name = eventNames.get(action) ?? eventNameFrom(action);
  eventNames.set(action, name);
  return name;
}

function eventNameFrom(action: string): string {
  const [method = "", path = ""] = action.split(" ");
  const segments = path.split("/").filter((segment) => segment !== "");
  const fixed = segments.filter((segment) => !segment.startsWith("<"));
  const words = fixed.map((segment) => segment.toLowerCase().replaceAll(/\W/g, "_"));
  return [...words, ...suffixOf(method, path, fixed.length)].join("_");
}

function suffixOf(method: string, path: string, fixedSegments: number): string[] {
  const isCollection = path.endsWith("/");
  if (method === "GET" && isCollection) return ["list"];
  if (method !== "POST") return [SUFFIXES[method] ?? method.toLowerCase()];
  if (isCollection) return ["add"];
  return path.endsWith(">") && fixedSegments === 1 ? ["save"] : [];
}

/** The names of routes in the audit log. */
export function actionsOf(routes: readonly Route[]): string[] {
  return routes.flatMap(({ declaration: { method, path, isQuiet } }) =>
    isQuiet ? [] : [actionOf(method, path)],
  );
}
