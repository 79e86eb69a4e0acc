import type { Hono, MiddlewareHandler } from "hono";
import { type GenerateSpecOptions, openAPIRouteHandler } from "hono-openapi";
import type { Env } from "../contracts/env.ts";
import { VERSION } from "../version.ts";

const DOCUMENT_PATH = "/openapi.json";

/** Serves the document of these routes. It takes milliseconds to make, so it is kept for the place last asked at. */
export function openApiDocument(routes: Hono<Env>, aliases: readonly string[]): MiddlewareHandler<Env> {
  let kept: { readonly prefix: string; readonly serve: MiddlewareHandler } | undefined;
  return async (c, next) => {
    const prefix = new URL(c.req.url).pathname.slice(0, -DOCUMENT_PATH.length);
    if (kept?.prefix !== prefix) {
      kept = { prefix, serve: openAPIRouteHandler(routes, documentOptions(prefix, aliases)) };
    }
    return kept.serve(c, next);
  };
}

/** What the document says beyond the operations; `prefix` is where the app is mounted. */
function documentOptions(prefix: string, aliases: readonly string[]): Partial<GenerateSpecOptions> {
  return {
    // A collection answers without its final slash too, but has one name.
    exclude: ["/policy", "/smtpserver", "/audit", "/mail", "/plugins", "/system", ...aliases],
    // Every refusal is described by its operation.
    defaultValidationErrorResponse: false,
    documentation: {
      info: {
        title: "Sealpost",
        version: VERSION,
        description: "Named SMTP server definitions, and mail sent through them, signed with S/MIME",
        license: { name: "MIT" },
      },
      servers: [{ url: prefix === "" ? "/" : prefix }],
      security: [{ authorization: [] }, { piAuthorization: [] }],
      components: {
        securitySchemes: {
          authorization: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
          piAuthorization: { type: "apiKey", in: "header", name: "PI-Authorization" },
        },
      },
    },
  };
}
