import * as v from "valibot";
import type { AuditLog } from "../access/audit-log.ts";
import type { Authentication } from "../access/authentication.ts";
import type { AuditRecord } from "../access/rate-limit.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import { auditEntry } from "../domain/audit.ts";
import { missingParameter, SealpostError } from "../errors.ts";
import { respond } from "../wire/envelope.ts";
import { route } from "../wire/route.ts";
import { named } from "../wire/schemas.ts";

/** Clients of privacyIDEA read it: 30 is its level "warning". */
const LOG_LEVEL = 30;

const name = (maxCharacters: number) =>
  v.optional(
    v.pipe(
      v.string("expected a text"),
      v.maxLength(maxCharacters, `expected at most ${maxCharacters} characters`),
    ),
    "",
  );
const body = v.object({
  username: name(511),
  password: v.optional(v.string("expected a text"), ""),
  realm: name(255),
});

const session = named(
  "Session",
  v.object({
    token: v.string(),
    role: v.literal("admin"),
    username: v.string(),
    realm: v.string(),
    rights: v.array(v.string()),
    auth: v.literal(true),
    log_level: v.number(),
    menus: v.array(v.string()),
  }),
);
const EXAMPLE_SESSION: v.InferOutput<typeof session> = {
  token: "eyJhbGciOiJIUzI1NiJ9.…",
  role: "admin",
  username: "admin",
  realm: "",
  rights: ["smtpserver_read", "smtpserver_write"],
  auth: true,
  log_level: LOG_LEVEL,
  menus: [],
};

/** Login of admins. */
export function authRoutes(deps: {
  readonly authentication: Authentication;
  readonly auditLog: Pick<AuditLog, "notAuthenticatedRecord">;
  readonly platform: Pick<Platform, "now">;
}) {
  const { authentication, auditLog, platform } = deps;
  return [
    route(
      {
        method: "POST",
        path: "/auth",
        open: true,
        parameters: { body },
        response: session,
        summary: "Log in",
        description:
          "Send the token in the `Authorization` or `PI-Authorization` header of further requests.",
        operationId: "logIn",
        tag: { name: "Authentication", description: "Tokens for admins" },
        errors: [401, 429],
        example: { body: { username: "admin", password: "correct horse" }, value: EXAMPLE_SESSION },
      },
      async (c, { body: { username, password, realm } }) => {
        if (username === "") {
          throw new SealpostError("missing_username", "Authentication failure. Missing Username");
        }
        if (password === "") throw missingParameter("password");
        const client = c.get("clientAddress");
        const record = (admin: Principal | null): AuditRecord => {
          const actor = {
            action: c.get("auditAction"),
            administrator: admin?.username ?? "",
            realm: admin?.realm ?? "",
            client: client ?? "",
            policies: "",
            requestId: c.get("requestId"),
          };
          if (admin) return { entry: auditEntry(actor, platform.now(), { success: true }) };
          c.set("isAudited", true);
          return auditLog.notAuthenticatedRecord(actor, "wrong_credentials");
        };
        const options = { realm: realm === "" ? null : realm, client, request: c.req.raw, record };
        const { token, principal, rights } = await authentication.logIn(username, password, options);
        const value = {
          token,
          role: "admin" as const,
          username: principal.username,
          realm: principal.realm,
          rights: [...rights],
          auth: true as const,
          log_level: LOG_LEVEL,
          menus: [] as string[],
        };
        return respond(value, { authentication: "ACCEPT" });
      },
    ),
  ];
}
