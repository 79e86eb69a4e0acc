import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { AuditLog } from "../access/audit-log.ts";
import type { Authentication } from "../access/authentication.ts";
import type { Authorization } from "../access/authorization.ts";
import type { AuditRecord } from "../access/rate-limit.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import { auditEntry } from "../domain/audit.ts";
import { BoundedCache } from "../domain/cache.ts";
import { clientNetwork } from "../domain/network.ts";
import { SealpostError, type SealpostErrorCode } from "../errors.ts";
import { respond } from "../wire/envelope.ts";
import { route } from "../wire/route.ts";
import { callerView, EXAMPLE, logInParams, sessionView, toCallerView, toSessionView } from "./auth-schema.ts";

const log = getLogger(["sealpost", "http"]);

const TAG = { name: "Authentication", description: "Tokens for admins" };
const MINUTE_MS = 60_000;
/** Networks of clients whose last line is remembered. */
const MAX_NETWORKS = 1_000;
const REJECTED: readonly SealpostErrorCode[] = ["wrong_credentials", "too_many_tries"];

/** Login of admins. */
export function authRoutes(deps: AuthDeps) {
  const { authentication, authorization, platform } = deps;
  const logRejected = createRejectionLog(platform);
  return [
    route(
      {
        method: "POST",
        path: "/auth",
        open: true,
        parameters: { body: logInParams },
        response: sessionView,
        summary: "Log in",
        description:
          "Send the token in the `Authorization` or `PI-Authorization` header of further requests.",
        tag: TAG,
        errors: [401, 429],
        example: EXAMPLE,
      },
      async (c, { body: { username, password, realm } }) => {
        if (username === "") {
          throw new SealpostError("missing_username", "Authentication failure. Missing Username");
        }
        const client = c.get("clientAddress");
        const record = (admin: Principal | null) => recordOf(c, admin, deps);
        const options = { realm: realm === "" ? null : realm, client, request: c.req.raw, record };
        const session = await authentication.logIn(username, password, options).catch((error) => {
          logRejected(client, error);
          throw error;
        });
        return respond(toSessionView(session), { authentication: "ACCEPT" });
      },
    ),
    route(
      {
        method: "GET",
        path: "/auth",
        anyAdmin: true,
        response: callerView,
        summary: "Show the caller",
        description: "The admin or API key whose credential the request has, with its current rights.",
        tag: TAG,
        example: { value: toCallerView({ username: "admin", realm: "", apiKey: null }, ["smtpserver_read"]) },
      },
      async (c) => {
        const principal = c.get("principal");
        return toCallerView(principal, await authorization.rights(principal, c.get("clientAddress")));
      },
    ),
  ];
}

/** Logs rejected logins, at most once a minute for each network. Never the name, which may be a password. */
function createRejectionLog({ now }: Pick<Platform, "now">) {
  const lastMs = new BoundedCache<number>(MAX_NETWORKS);
  return (client: string | null, error: unknown): void => {
    if (!(error instanceof SealpostError) || !REJECTED.includes(error.code)) return;
    const network = client === null ? "unknown" : clientNetwork(client);
    const nowMs = now().getTime();
    if (Math.abs(nowMs - (lastMs.get(network) ?? 0)) < MINUTE_MS) return;
    lastMs.set(network, nowMs);
    log.warning("Login from {client} rejected: {code}", { client: client ?? "unknown", code: error.code });
  };
}

interface AuthDeps extends RecordDeps {
  readonly authentication: Authentication;
  readonly authorization: Pick<Authorization, "rights">;
}

interface RecordDeps {
  readonly auditLog: Pick<AuditLog, "notAuthenticatedRecord">;
  readonly platform: Pick<Platform, "now">;
}

/** Returns what the login commits to the audit log. @param admin `null` if the login failed */
function recordOf(c: Context<Env>, admin: Principal | null, { auditLog, platform }: RecordDeps): AuditRecord {
  const actor = {
    action: c.get("auditAction"),
    administrator: admin?.username ?? "",
    realm: admin?.realm ?? "",
    client: c.get("clientAddress") ?? "",
    policies: "",
    requestId: c.get("requestId"),
  };
  if (admin) return { entry: auditEntry(actor, platform.now(), { success: true }) };
  c.set("isAudited", true);
  return auditLog.notAuthenticatedRecord(actor, "wrong_credentials");
}
