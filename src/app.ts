import { Hono } from "hono";
import type { Env } from "./contracts/env.ts";
import { auditRoutes } from "./http/audit.ts";
import { authRoutes } from "./http/auth.ts";
import { healthRoutes } from "./http/health.ts";
import { openApiDocument } from "./http/openapi.ts";
import { policyCollection, policyRoutes } from "./http/policy.ts";
import { smtpServerCollection, smtpServerRoutes } from "./http/smtpserver.ts";
import type { Services } from "./services.ts";
import { auditFailures, createErrorHandler } from "./wire/failures.ts";
import { createRequireRight } from "./wire/guard.ts";
import { allowOnly, urlNotFound } from "./wire/not-found.ts";
import { limitBody, type RequestOptions, requestContext } from "./wire/request.ts";
import { checkUrl } from "./wire/url.ts";

export interface AppSettings extends Omit<RequestOptions, "platform"> {
  /** Whether GET shows the passwords of definitions. */
  readonly revealSecrets: boolean;
}

/** The HTTP interface; a host app may mount it under a path of its own. */
export function createApp(services: Services, settings: AppSettings) {
  const { platform } = services;
  const parts = { ...services, ...settings, requireRight: createRequireRight(services) };
  const routes = new Hono<Env>()
    .use(requestContext({ ...settings, platform }), auditFailures(services.trail), checkUrl(), limitBody())
    .route("/", healthRoutes(parts))
    .route("/auth", authRoutes(parts))
    .route("/policy/", policyCollection(parts))
    .route("/policy", policyCollection(parts))
    .route("/policy", policyRoutes(parts))
    .route("/smtpserver/", smtpServerCollection(parts))
    .route("/smtpserver", smtpServerCollection(parts))
    .route("/smtpserver", smtpServerRoutes(parts))
    .route("/audit/", auditRoutes(parts))
    .route("/audit", auditRoutes(parts));
  routes.onError(createErrorHandler(platform));
  return routes
    .get("/openapi.json", openApiDocument(routes))
    .all("/openapi.json", allowOnly("GET"))
    .all("*", urlNotFound);
}

/** For the typed client: `hc<SealpostApp>("http://127.0.0.1:8080")`. */
export type SealpostApp = ReturnType<typeof createApp>;
