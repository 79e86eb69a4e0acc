import type { Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import { TrieRouter } from "hono/router/trie-router";
import { type GenerateSpecOptions, generateSpecs } from "hono-openapi";
import type { Env } from "../contracts/env.ts";
import type { Route, Tag } from "../contracts/route.ts";
import { VERSION } from "../version.ts";
import { describeOperation, errorResponses } from "../wire/operation.ts";
import { route } from "../wire/route.ts";

const DOCUMENT_PATH = "/openapi.json";
const DESCRIPTION =
  "Manage named SMTP server definitions and send mail through them, optionally signed with S/MIME. Log in with " +
  "`POST /auth` and send the token in the `Authorization` header. Every response is a JSON envelope: `result.value` on " +
  "success, `result.error` on failure, diagnostics in `detail`. Send parameters as JSON or as a form; secrets are " +
  "rejected in the query string. Compatible with privacyIDEA's `/smtpserver` API.";

interface DocumentDeps {
  /** Has all routes by the first request. */
  readonly routes: readonly Route[];
  /** `SEALPOST_BASE_URL`, or an empty text if it is not set. */
  readonly baseUrl: string;
}

/** The OpenAPI document. Creating it takes milliseconds, so it is kept for the prefix of the latest request. */
export function openApiRoutes({ routes, baseUrl }: DocumentDeps) {
  let kept: { readonly prefix: string; readonly text: string } | undefined;
  return [
    route(
      { method: "GET", path: DOCUMENT_PATH, open: true, isQuiet: true, isHidden: true },
      async (c): Promise<Response> => {
        const prefix = new URL(c.req.url).pathname.slice(0, -DOCUMENT_PATH.length);
        if (kept?.prefix !== prefix) {
          const url = baseUrl || prefix || "/";
          const document = await generateSpecs(described(routes), documentOptions(url, tagsOf(routes)), c);
          kept = { prefix, text: JSON.stringify(document) };
        }
        return c.body(kept.text, 200, { "content-type": "application/json" });
      },
    ),
  ];
}

/** An app that only describes the routes: the one that serves them starts faster without the descriptions. */
function described(routes: readonly Route[]): Hono<Env> {
  const app = new HonoBase<Env>({ router: new TrieRouter() });
  // The second name of a collection is not in the document.
  for (const { declaration } of routes)
    if (!declaration.isHidden)
      app.on(declaration.method, [declaration.path], ...describeOperation(declaration));
  return app;
}

function tagsOf(routes: readonly Route[]): Tag[] {
  const tags = routes.flatMap(({ declaration: { tag, isHidden } }) => (tag && !isHidden ? [tag] : []));
  return [...new Map(tags.map((tag) => [tag.name, tag])).values()];
}

/** The parts of the document that are not operations. @param url where clients find the API. */
function documentOptions(url: string, tags: Tag[]): Partial<GenerateSpecOptions> {
  return {
    // Operations describe their own error responses.
    defaultValidationErrorResponse: false,
    documentation: {
      info: {
        title: "Sealpost",
        version: VERSION,
        description: DESCRIPTION,
        license: { name: "MIT License", identifier: "MIT" },
      },
      servers: [{ url }],
      tags,
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
