import { Hono } from "hono";
import * as v from "valibot";
import type { AuditLog } from "../access/audit-log.ts";
import type { Authentication } from "../access/authentication.ts";
import type { AuditRecord } from "../access/rate-limit.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import { auditEntry } from "../domain/audit.ts";
import { missingParameter, SealpostError } from "../errors.ts";
import { authenticated, success } from "../wire/envelope.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";
import { bodyParams } from "../wire/validate.ts";

const ACTION = "POST /auth";
/** The reference's clients read it; 30 is its "warning". */
const LOG_LEVEL = 30;

const credentials = v.object({
  username: v.optional(
    v.pipe(v.string("expected a text"), v.maxLength(511, "expected at most 511 characters")),
    "",
  ),
  password: v.optional(v.string("expected a text"), ""),
  realm: v.optional(
    v.pipe(v.string("expected a text"), v.maxLength(255, "expected at most 255 characters")),
    "",
  ),
});

const session = v.object({
  token: v.string(),
  role: v.literal("admin"),
  username: v.string(),
  realm: v.string(),
  rights: v.array(v.string()),
  auth: v.literal(true),
  log_level: v.number(),
  menus: v.array(v.string()),
});

/** Log-in of admins. */
export function authRoutes(parts: {
  readonly authentication: Authentication;
  readonly auditLog: Pick<AuditLog, "notAuthenticatedRecord">;
  readonly platform: Pick<Platform, "now">;
}) {
  const { authentication, auditLog, platform } = parts;
  return new Hono<Env>()
    .post(
      "/",
      operation({
        summary: "Log in; the token goes into the header Authorization or PI-Authorization",
        operationId: "logIn",
        tag: "Authentication",
        answer: session,
        body: credentials,
        refusals: [401, 429],
        open: true,
      }),
      async (c, next) => {
        c.set("auditAction", ACTION);
        await next();
      },
      bodyParams(credentials),
      async (c) => {
        const { username, password, realm } = c.req.valid("json");
        if (username === "") {
          throw new SealpostError("missing_username", "Authentication failure. Missing Username");
        }
        if (password === "") throw missingParameter("password");
        const request = c.req.raw;
        const client = c.get("clientAddress");
        const record = (admin: Principal | null): AuditRecord => {
          const actor = { action: ACTION, administrator: admin?.username ?? "", realm: admin?.realm ?? "" };
          const more = { client: client ?? "", policies: "", requestId: c.get("requestId") };
          if (admin) return { entry: auditEntry({ ...actor, ...more }, platform.now(), { success: true }) };
          c.set("isAudited", true);
          return auditLog.notAuthenticatedRecord({ ...actor, ...more }, "wrong_credentials");
        };
        const options = { realm: realm === "" ? null : realm, client, request, record };
        const { token, principal, rights } = await authentication.logIn(username, password, options);
        const envelope = success(
          {
            token,
            role: "admin" as const,
            username: principal.username,
            realm: principal.realm,
            rights: [...rights],
            auth: true as const,
            log_level: LOG_LEVEL,
            menus: [] as string[],
          },
          platform.now(),
        );
        return c.json(authenticated(envelope, "ACCEPT"));
      },
    )
    .all("/", allowOnly("POST"));
}
