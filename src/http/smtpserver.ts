import { Hono, type TypedResponse } from "hono";
import * as v from "valibot";
import type { AuditLog } from "../access/audit-log.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { notice } from "../domain/notices.ts";
import type { Circuit } from "../mail/circuit.ts";
import { type Servers, type StoredDefinition, serverNotFound } from "../mail/servers/definitions.ts";
import type { SaveServer } from "../mail/servers/save.ts";
import type { Registry } from "../plugin/registry.ts";
import { type SuccessEnvelope, type SuccessText, success, successText } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { noticeDetail, noticeEntries } from "../wire/notices.ts";
import { operation } from "../wire/openapi.ts";
import { bodyParams, pathParams, queryParams } from "../wire/validate.ts";
import { readConditions, readIfMatch } from "./conditions.ts";
import {
  type DefinitionView,
  definitionDetail,
  definitionParams,
  definitionView,
  identifierParams,
  listParams,
  toServerInput,
} from "./smtpserver-schema.ts";
import { toDefinitionDetail, toDefinitionView } from "./smtpserver-view.ts";

const READ = "smtpserver_read";
const WRITE = "smtpserver_write";
const tag = "SMTP servers";
const notices = v.object(noticeEntries);

export interface SmtpServerParts {
  readonly servers: Servers;
  readonly saveServer: SaveServer;
  readonly circuit: Pick<Circuit, "health">;
  readonly plugins: Pick<Registry, "usersOf">;
  readonly auditLog: AuditLog;
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
  /** Whether GET shows passwords. */
  readonly revealSecrets: boolean;
}

type List = SuccessEnvelope<Readonly<Record<string, DefinitionView>>, ReturnType<typeof unreadable>>;
/** The response as a typed client sees it. */
type ListResponse = Response & TypedResponse<List, 200, "json">;

/** All definitions. */
export function smtpServerCollection(parts: SmtpServerParts) {
  const { servers, auditLog, requireRight, platform, revealSecrets } = parts;
  /** As long as no definition has changed, the list is the same one. */
  const texts = {
    revealed: new WeakMap<object, SuccessText>(),
    censored: new WeakMap<object, SuccessText>(),
  };

  function textOf(all: readonly StoredDefinition[], reveal: boolean): SuccessText {
    const kept = texts[reveal ? "revealed" : "censored"];
    const text =
      kept.get(all) ??
      successText(
        Object.fromEntries(all.map((server) => [server.identifier, toDefinitionView(server, reveal)])),
        unreadable(all, reveal),
      );
    kept.set(all, text);
    return text;
  }

  return new Hono<Env>()
    .get(
      "/",
      operation({
        summary: "All definitions by identifier",
        operationId: "listSmtpServers",
        tag,
        answer: v.record(v.string(), definitionView),
        detail: notices,
      }),
      requireRight(READ, "GET /smtpserver/"),
      queryParams(listParams),
      async (c) => {
        const all = await servers.list();
        const reveal = revealSecrets && !c.req.valid("query").censor;
        if (reveal && all.some((server) => server.isSet.password)) {
          await auditLog.revealed(c.get("actor"), "", "password");
        }
        const body = textOf(all, reveal)(platform.now());
        const response: Response = c.body(body, 200, { "content-type": "application/json" });
        return response as ListResponse;
      },
    )
    .all("/", allowOnly("GET"));
}

/** One definition by name. */
export function smtpServerRoutes(parts: SmtpServerParts) {
  const { servers, saveServer, circuit, plugins } = parts;
  const { auditLog, requireRight, platform, revealSecrets } = parts;
  const now = () => platform.now();

  return new Hono<Env>()
    .get(
      "/:identifier",
      operation({
        summary: "One definition; its ETag in the header",
        operationId: "getSmtpServer",
        tag,
        answer: definitionView,
        detail: definitionDetail,
        refusals: [404],
      }),
      requireRight(READ, "GET /smtpserver/<identifier>", { isProvedByRead: true }),
      pathParams(identifierParams),
      queryParams(listParams),
      async (c) => {
        const { identifier } = c.req.valid("param");
        // First, because this read proves the right and the kept definitions.
        const health = await circuit.health(identifier);
        const server = await servers.get(identifier);
        if (!server) throw serverNotFound();
        const reveal = revealSecrets && !c.req.valid("query").censor;
        if (reveal && server.isSet.password) await auditLog.revealed(c.get("actor"), identifier, "password");
        const detail = { ...toDefinitionDetail(server, health), ...unreadable([server], reveal) };
        c.header("ETag", server.etag);
        return c.json(success(toDefinitionView(server, reveal), now(), detail));
      },
    )
    .post(
      "/:identifier",
      operation({
        summary: "Create or replace a definition",
        operationId: "saveSmtpServer",
        tag,
        answer: v.boolean(),
        detail: notices,
        body: definitionParams,
        refusals: [409, 412],
        headers: {
          "If-Match": "Change only this version (ETag)",
          "If-None-Match": "`*`: create only",
        },
      }),
      requireRight(WRITE, "POST /smtpserver/<identifier>"),
      pathParams(identifierParams),
      bodyParams(definitionParams),
      async (c) => {
        const conditions = readConditions({
          ifMatch: c.req.header("if-match"),
          ifNoneMatch: c.req.header("if-none-match"),
        });
        const { identifier } = c.req.valid("param");
        const input = toServerInput(c.req.valid("json"));
        const saved = await saveServer(identifier, input, conditions, c.get("actor"));
        c.header("ETag", saved.etag);
        return c.json(success(true, now(), noticeDetail([...saved.notices, ...c.get("notices")])));
      },
    )
    .delete(
      "/:identifier",
      operation({
        summary: "Delete a definition; false if there was none",
        operationId: "deleteSmtpServer",
        tag,
        answer: v.boolean(),
        detail: v.object({
          used_by: v.pipe(v.array(v.string()), v.description("Plugins that send through it")),
        }),
        refusals: [412],
        headers: { "If-Match": "Delete only this version (ETag)" },
      }),
      requireRight(WRITE, "DELETE /smtpserver/<identifier>"),
      pathParams(identifierParams),
      async (c) => {
        const ifMatch = readIfMatch(c.req.header("if-match"));
        const { identifier } = c.req.valid("param");
        const used_by = await plugins.usersOf(identifier);
        const detail = used_by.length > 0 ? { used_by } : undefined;
        return c.json(success(await servers.remove(identifier, ifMatch, c.get("actor")), now(), detail));
      },
    )
    .all("/:identifier", allowOnly("GET", "POST", "DELETE"));
}

/** A password that no key opens is shown as censored, and said; the other definitions stay readable. */
function unreadable(all: readonly StoredDefinition[], reveal: boolean) {
  const names = all.filter((server) => reveal && server.password === null).map((server) => server.identifier);
  return noticeDetail(names.map((identifier) => notice("password_unreadable", "password", { identifier })));
}
