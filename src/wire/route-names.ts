import type { Route } from "../contracts/route.ts";

/** What a method adds to the name of an event. None for `POST`: its path says what it does. */
const SUFFIXES: Readonly<Record<string, string>> = {
  GET: "get",
  DELETE: "delete",
  PUT: "put",
  PATCH: "patch",
};
/** A variable segment; braces hold a pattern that it matches. */
const VARIABLE = /:(\w+)(\{[^}]*\})?/g;

/** The name of a route in the audit log: `POST /token/<serial>`. */
export function actionOf(method: string, path: string): string {
  return `${method} ${path.replaceAll(VARIABLE, "<$1>")}`;
}

/** The paths under which a route is served: a collection also without its final slash. */
export function pathNamesOf(path: string): string[] {
  return path.endsWith("/") && path !== "/" ? [path, path.slice(0, -1)] : [path];
}

/**
 * The name of the event of an API action: the fixed parts of its path, and what it does where they do not say it.
 * `POST /token/init` is `token_init`, `GET /token/` `token_list`, `DELETE /token/<serial>` `token_delete`, `POST /user/`
 * `user_add`, `POST /smtpserver/<identifier>` `smtpserver_save`.
 */
export function eventNameOf(action: string): string {
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
