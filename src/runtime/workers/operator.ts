import { createBackupSource, createRestoreTarget } from "../../access/moves.ts";
import { createOperators, type IncomingCall } from "../../access/operators.ts";
import type { SealpostApp } from "../../app.ts";
import type { Database } from "../../contracts/database.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { canonicalIp } from "../../domain/network.ts";
import { formatOwner, OWNER_HEADER, SIGNED_HEADERS } from "../../domain/operator-call.ts";
import { SealpostError } from "../../errors.ts";
import { MAX_BODY_BYTES } from "../../http/mail-send-schema.ts";
import { createOperatorTasks, MAX_OPERATOR_BODY_BYTES } from "../../http/operator.ts";
import type { PluginSet } from "../../plugin/registry.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import type { Services } from "../../services.ts";
import { createAuditRepository } from "../../storage/audit-log.ts";
import { MIGRATIONS } from "../../storage/migrations/index.ts";
import { createSealedRepository } from "../../storage/sealed-values.ts";
import { readBody } from "../../wire/body.ts";
import type { Operator } from "../../wire/guard.ts";
import { PLATFORM as platform } from "../platform.ts";
import { errorResponse } from "./unavailable.ts";

/** Calls that belong to one that was audited when it began. */
const PARTS = ["/operator/backup/page", "/operator/backup/end", "/operator/restore/rows"];
const API = "/operator/api/";
/** Part of a path that an audit row shows. */
const MAX_PATH_CHARACTERS = 200;

/** The instance that an operator uses, and its database. */
interface OperatorDoorDeps {
  readonly services: Pick<Services, "rekey" | "renewTokens" | "reloadSecrets" | "admins">;
  operatorApp(operator: Operator): Pick<SealpostApp, "fetch">;
  readonly database: Database;
  readonly keyring: Keyring;
  readonly plugins: Pick<PluginSet, "migrations" | "sealed" | "dueTimes" | "transient">;
  /** Starts the instance again, with what the database has now. */
  readonly restart: () => void;
}

/** Handles the calls of the operator: each is signed with a key that follows from `SEALPOST_KEYS`. */
export function createOperatorDoor(deps: OperatorDoorDeps): (request: Request) => Promise<Response> {
  const operators = createOperators({ ...deps, platform });

  async function handle(request: Request): Promise<Response> {
    const { method } = request;
    const url = new URL(request.url);
    const call: IncomingCall = {
      method,
      host: url.host,
      path: url.pathname + url.search,
      headers: SIGNED_HEADERS.map((name) => request.headers.get(name) ?? ""),
      credential: request.headers.get("authorization") ?? "",
      client: canonicalIp(request.headers.get("cf-connecting-ip") ?? "") ?? "",
    };
    const isApi = url.pathname.startsWith(API);
    const action = actionOf(method, url.pathname);
    const info = `${method} ${url.pathname}`.slice(0, MAX_PATH_CHARACTERS);
    const record = PARTS.includes(url.pathname) ? null : { action, info };
    // The routes of the API have limits of their own, of which that of a message is the largest.
    const maxBytes = isApi ? MAX_BODY_BYTES : MAX_OPERATOR_BODY_BYTES;
    const { administrator, body } = await operators.verify(call, record, () => readBody(request, maxBytes));
    const operator: Operator = {
      actor: { action, administrator, realm: "", client: call.client, policies: "" },
      principal: {
        adminId: await adminIdOf(request.headers.get(OWNER_HEADER)),
        username: administrator,
        realm: "",
        generation: 0,
        apiKey: null,
      },
    };
    const passed = toAppRequest(request, isApi ? `/${call.path.slice(API.length)}` : call.path, call, body);
    const app = isApi ? deps.operatorApp(operator) : tasksOf(operator);
    return app.fetch(passed, {});
  }

  /** @throws {SealpostError} `resource_not_found` */
  async function adminIdOf(owner: string | null): Promise<string> {
    if (owner === null) return "";
    const found = (await deps.services.admins.list()).find((admin) => formatOwner(admin) === owner);
    if (found) return found.id;
    throw new SealpostError("resource_not_found", "The requested Admin could not be found.");
  }

  function tasksOf(operator: Operator) {
    const { database, keyring, services, restart } = deps;
    const { rekey } = services;
    const renewTokens = (actor: AuditActor) => renewIn(services, actor);
    const { migrations, sealed, dueTimes, transient } = deps.plugins;
    const audit = createAuditRepository(database);
    const sealedValues = createSealedRepository(database, sealed);
    const backup = createBackupSource({ database, platform, sealed: sealedValues });
    const restore = createRestoreTarget({
      database,
      keyring,
      platform,
      sealed: sealedValues,
      dueTimes,
      transient,
      migrations: [...MIGRATIONS, ...migrations],
      audit: (now) => [
        audit.insert(auditEntry({ ...operator.actor, requestId: "" }, now, { success: true })),
      ],
    });
    return createOperatorTasks({ platform, backup, restore, rekey, renewTokens, restart }, operator);
  }

  return async (request) => {
    try {
      return await handle(request);
    } catch (error) {
      // A body of a rejected call is not read.
      if (!request.bodyUsed) await request.body?.cancel().catch(() => undefined);
      return rejected(error);
    }
  };
}

/** Renews the tokens of an instance that goes on. */
async function renewIn(services: OperatorDoorDeps["services"], actor: AuditActor): Promise<void> {
  await services.renewTokens(actor);
  await services.reloadSecrets();
}

/** @throws any error that is not for the caller. */
function rejected(error: unknown): Response {
  if (!(error instanceof SealpostError)) throw error;
  return errorResponse(error, error.status === 401 ? { "WWW-Authenticate": "Sealpost-Operator" } : {});
}

/** Returns the request for an app, with nothing that is not signed. */
function toAppRequest(
  { url, signal }: Request,
  path: string,
  { method, headers }: IncomingCall,
  body: Uint8Array<ArrayBuffer>,
): Request {
  const given = SIGNED_HEADERS.map((name, index) => [name, headers[index] ?? ""] as const);
  return new Request(new URL(path, url).href, {
    method,
    headers: Object.fromEntries(given.filter(([, value]) => value !== "")),
    ...(body.length > 0 && { body }),
    signal,
  });
}

/** The name in the audit log, such as `operator POST /admin`: without names, which the row of the change has. */
function actionOf(method: string, path: string): string {
  const [first = ""] = path.slice((path.startsWith(API) ? API : "/operator/").length).split("/");
  return `operator ${method} /${first.replaceAll(/[^\w.-]/g, "").slice(0, 20)}`;
}
