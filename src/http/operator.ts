import type { Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import { TrieRouter } from "hono/router/trie-router";
import * as v from "valibot";
import type { RekeyResult } from "../access/rekey.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { AuditActor } from "../domain/audit.ts";
import type { BackupSource, RestoreTarget } from "../domain/backup.ts";
import { createErrorHandler, urlNotFound } from "../wire/error-handler.ts";
import { type Operator, requireOperator } from "../wire/guard.ts";
import { addRoutes } from "../wire/mount-routes.ts";
import { requestContext } from "../wire/request.ts";
import { route } from "../wire/route.ts";
import {
  backupHeader,
  backupPage,
  backupRow,
  backupTable,
  restored,
  rotated,
  startedBackup,
} from "./backup-schema.ts";

/**
 * The largest row has 2 MB, and JSON writes a control character in six octets: 12 MB. The rows before it have a million
 * characters, of up to three octets each.
 */
export const MAX_OPERATOR_BODY_BYTES = 15 * 1_048_576;

/** The work of the command line that needs the database itself. */
interface OperatorDeps {
  readonly platform: Platform;
  readonly backup: BackupSource;
  readonly restore: RestoreTarget;
  rekey(): Promise<RekeyResult>;
  renewTokens(actor: AuditActor): Promise<void>;
  /** Starts the instance again, with what the database has now. */
  restart(): void;
}

const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, "expected the ID of a backup or a restore"));
const POST = { method: "POST", right: "*", maxBodyBytes: MAX_OPERATOR_BODY_BYTES } as const;
const restoreParams = { header: backupHeader, replace: v.boolean() };

/** Creates the routes under `/operator/` for one operator whose call is verified. */
export function createOperatorTasks(deps: OperatorDeps, operator: Operator): Hono<Env> {
  const { platform } = deps;
  const clientAddress = () => operator.actor.client;
  const app = new HonoBase<Env>({ router: new TrieRouter() });
  app.use(requestContext({ platform, trustedProxies: [], clientAddress, isOperator: true }));
  app.onError(createErrorHandler(platform));
  addRoutes(app, taskRoutes(deps), { requireRight: requireOperator(operator), now: () => platform.now() });
  return app.all("*", urlNotFound);
}

function taskRoutes({ backup, restore, rekey, renewTokens, restart }: OperatorDeps) {
  return [
    route({ ...POST, path: "/operator/backup", response: startedBackup }, () => backup.begin()),
    route(
      {
        ...POST,
        path: "/operator/backup/page",
        parameters: {
          body: v.object({ id, table: backupTable, start: v.pipe(v.number(), v.safeInteger()) }),
        },
        response: backupPage,
      },
      (_, { body: { id, table, start } }) => backup.page(id, table, start),
    ),
    route(
      { ...POST, path: "/operator/backup/end", parameters: { body: v.object({ id }) } },
      async (_, { body }) => {
        await backup.end(body.id);
        return true;
      },
    ),
    route(
      { ...POST, path: "/operator/restore", parameters: { body: v.object(restoreParams) } },
      (_, { body: { header, replace } }) => restore.begin(header, { replace }),
    ),
    route(
      {
        ...POST,
        path: "/operator/restore/rows",
        parameters: { body: v.object({ id, table: backupTable, rows: v.array(backupRow) }) },
      },
      async (_, { body: { id, table, rows } }) => {
        await restore.insert(id, table, rows);
        return true;
      },
    ),
    route(
      {
        ...POST,
        path: "/operator/restore/finish",
        parameters: { body: v.object({ id, ...restoreParams }) },
        response: restored,
      },
      async (_, { body: { id, header, replace } }) => {
        const result = await restore.finish(id, header, { replace });
        restart();
        return result;
      },
    ),
    route(
      {
        ...POST,
        path: "/operator/keys/rotate",
        parameters: { body: v.object({ tokens: v.boolean() }) },
        response: rotated,
      },
      async (c, { body: { tokens } }) => {
        if (tokens) await renewTokens(c.get("actor"));
        return rekey();
      },
    ),
  ];
}
