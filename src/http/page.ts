import type { Context, Hono } from "hono";
import type { Env } from "../contracts/env.ts";
import { isForBrowser } from "../wire/request.ts";

/**
 * Reads the files of the admin page: as they were built by name, such as `index.html`, and compressed with `.gz` and
 * `.br` added to it. Empty if the page is not built.
 */
export type ReadPageFiles = () => Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>>;

/**
 * Only the page's own files and its own API. Trusted Types keep every text out of HTML, scripts included, so that
 * nothing in a mail or a reply of a server can run.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'none'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** Headers of the page's files, also where static assets bypass this code. */
export const PAGE_HEADERS = {
  all: {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy":
      "camera=(), clipboard-read=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()",
  },
  index: { "Cache-Control": "no-store" },
  /** Names with a hash of the content. */
  hashed: { "Cache-Control": "public, max-age=31536000, immutable" },
} as const;

/** The path that a host app mounts the instance at, without and with a final slash. */
const ROOT = ["/", "/:end{(?:)}"];
const INDEX = "index.html";
const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
/** Extensions of the compressed files by content coding, the smaller ones first. */
const CODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

/**
 * Adds the admin page: `GET /` leads a browser to it, `GET /ui/` serves it. All other requests go on to the next route.
 * @param readFiles `undefined`: something else serves the files, such as static assets on Workers.
 */
export function addPageRoutes(app: Pick<Hono<Env>, "on">, readFiles: ReadPageFiles | undefined): void {
  app.on("GET", ROOT, (c, next) => {
    c.header("Vary", "Accept");
    return isForBrowser(c) ? c.redirect(`${lastSegment(c)}ui/`) : next();
  });
  app.on("GET", "/ui", (c) => c.redirect("ui/"));
  if (!readFiles) return;
  let reading: ReturnType<ReadPageFiles> | undefined;
  app.on("GET", "/ui/:name{[\\w.-]*}", async (c, next) => {
    reading ??= readFiles();
    const files = await reading;
    const file = c.req.param("name") || INDEX;
    const extension = /\.(\w+)$/.exec(file)?.[1] ?? "";
    const type = TYPES[extension];
    const plain = files.get(file);
    if (type === undefined || plain === undefined) return next();
    const [coding, suffix] = CODINGS.find(([name, end]) => files.has(file + end) && accepts(c, name)) ?? [];
    return c.body(files.get(`${file}${suffix ?? ""}`) ?? plain, 200, {
      ...PAGE_HEADERS.all,
      ...(file === INDEX ? PAGE_HEADERS.index : PAGE_HEADERS.hashed),
      "Content-Type": type,
      Vary: "Accept-Encoding",
      ...(coding && { "Content-Encoding": coding }),
    });
  });
}

/** The last segment of the path if no slash ends it. The redirect is relative, because a proxy may serve a prefix of its own. */
function lastSegment(c: Context): string {
  const [, segment = ""] = /([^/]+)$/.exec(new URL(c.req.url).pathname) ?? [];
  return segment === "" ? "" : `${segment}/`;
}

/** Whether `Accept-Encoding` lists a content coding and does not exclude it (RFC 9110 12.5.3). */
function accepts(c: Context, coding: string): boolean {
  const listed = (c.req.header("accept-encoding") ?? "").toLowerCase().split(",");
  return listed.some((one) => {
    const [name, weight = "q=1"] = one.split(";").map((text) => text.trim());
    return name === coding && !/^q=0(\.0*)?$/.test(weight);
  });
}
