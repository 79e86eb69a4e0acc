/** What Sealpost itself tells, beside the actions of its interface. */
export const CORE_EVENTS = {
  mail_failed: "A queued mail ended otherwise than sent",
  circuit_opened: "A mail server is down, and queued mail waits until it is back",
  certificate_expiring: "The certificate of a definition expires soon",
} as const;

/** What a method adds to the name; none: the method that does what the path says. */
const SUFFIXES: Readonly<Record<string, string>> = {
  GET: "get",
  DELETE: "delete",
  PUT: "put",
  PATCH: "patch",
};

/** How audit rows name what a route does: `POST /token/<serial>`. */
export function actionOf(method: string, path: string): string {
  return `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "<$1>")}`;
}

/**
 * The short name of the event of an API action: the fixed parts of its path, and what is done where they do not say it.
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
