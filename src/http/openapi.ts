import type { Hono } from "hono";
import { type GenerateSpecOptions, generateSpecs } from "hono-openapi";
import type { Env } from "../contracts/env.ts";
import { VERSION } from "../version.ts";
import { errorResponses } from "../wire/operation.ts";
import { route } from "../wire/route.ts";

const DOCUMENT_PATH = "/openapi.json";

/**
 * The OpenAPI document. Creating it takes milliseconds, so it is kept for the prefix of the latest request.
 * @param app has all routes by the first request.
 */
export function openApiRoutes(app: Hono<Env>) {
  let kept: { readonly prefix: string; readonly text: string } | undefined;
  return [
    route(
      { method: "GET", path: DOCUMENT_PATH, open: true, isQuiet: true, isHidden: true },
      async (c): Promise<Response> => {
        const prefix = new URL(c.req.url).pathname.slice(0, -DOCUMENT_PATH.length);
        if (kept?.prefix !== prefix) {
          const document = await generateSpecs(app, documentOptions(prefix), c);
          kept = { prefix, text: JSON.stringify(document) };
        }
        return c.body(kept.text, 200, { "content-type": "application/json" });
      },
    ),
  ];
}

/** What the document says beyond the operations; `prefix` is where the app is mounted. */
function documentOptions(prefix: string): Partial<GenerateSpecOptions> {
  return {
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
        responses: errorResponses,
        securitySchemes: {
          authorization: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
          piAuthorization: { type: "apiKey", in: "header", name: "PI-Authorization" },
        },
      },
    },
  };
}
