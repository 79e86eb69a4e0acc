import type { Context } from "hono";
import type { GenerateSpecOptions } from "hono-openapi";
import { VERSION } from "../version.ts";

const DOCUMENT_PATH = "/openapi.json";

/** What the document says beyond the operations; `servers` is where the app is mounted. */
export function openApiOptions(c: Context): Partial<GenerateSpecOptions> {
  const prefix = new URL(c.req.url).pathname.slice(0, -DOCUMENT_PATH.length);
  return {
    // A collection answers without its final slash too, but has one name.
    exclude: ["/policy", "/smtpserver", "/audit"],
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
