import type { TypedResponse } from "hono";
import * as v from "valibot";
import type { AuditLog } from "../access/audit-log.ts";
import type { Platform } from "../contracts/platform.ts";
import { notice } from "../domain/notices.ts";
import { invalidParameter } from "../errors.ts";
import type { Circuit } from "../mail/circuit.ts";
import {
  type EtagCondition,
  type Servers,
  type StoredDefinition,
  serverNotFound,
} from "../mail/servers/definitions.ts";
import type { SaveConditions, SaveServer } from "../mail/servers/save.ts";
import type { Registry } from "../plugin/registry.ts";
import {
  noticeDetail,
  noticeEntries,
  respond,
  type SuccessEnvelope,
  type SuccessText,
  successText,
} from "../wire/envelope.ts";
import { route } from "../wire/route.ts";
import { described } from "../wire/schemas.ts";
import {
  type DefinitionView,
  definitionDetail,
  definitionParams,
  definitionView,
  EXAMPLE,
  EXAMPLE_VIEW,
  identifierParams,
  listParams,
  definitionTag as tag,
  toServerInput,
} from "./smtpserver-schema.ts";
import { toDefinitionDetail, toDefinitionView } from "./smtpserver-view.ts";

const path = identifierParams;
const READ = { method: "GET", right: "smtpserver_read", tag } as const;
const WRITE = {
  path: "/smtpserver/:identifier",
  right: "smtpserver_write",
  response: v.boolean(),
  tag,
} as const;
const notices = v.object(noticeEntries);

type List = SuccessEnvelope<Readonly<Record<string, DefinitionView>>, ReturnType<typeof unreadable>>;
/** The response as a typed client sees it. */
type ListResponse = Response & TypedResponse<List, 200, "json">;

/** Server definitions. */
export function smtpServerRoutes(deps: {
  readonly servers: Servers;
  readonly saveServer: SaveServer;
  readonly circuit: Pick<Circuit, "health">;
  readonly plugins: Pick<Registry, "usersOf">;
  readonly auditLog: AuditLog;
  readonly platform: Pick<Platform, "now">;
  /** Whether responses contain passwords. */
  readonly revealSecrets: boolean;
}) {
  const { servers, saveServer, circuit, plugins, auditLog, platform, revealSecrets } = deps;
  const textOf = createListTexts();

  return [
    route(
      {
        ...READ,
        path: "/smtpserver/",
        parameters: { query: listParams },
        response: v.record(v.string(), definitionView),
        detail: notices,
        summary: "List definitions",
        description: "The value has each definition under its identifier.",
        operationId: "listSmtpServers",
      },
      async (c, { query: { censor } }) => {
        const all = await servers.list();
        const reveal = revealSecrets && !censor;
        if (reveal && all.some((server) => server.isSet.password)) {
          await auditLog.revealed(c.get("actor"), "", "password");
        }
        const body = textOf(all, reveal)(platform.now());
        const response: Response = c.body(body, 200, { "content-type": "application/json" });
        return response as ListResponse;
      },
    ),
    route(
      {
        ...READ,
        path: "/smtpserver/:identifier",
        isProvedByRead: true,
        parameters: { path, query: listParams },
        response: definitionView,
        detail: definitionDetail,
        summary: "Get a definition",
        description: "The response has the version of the definition in its `ETag` header.",
        operationId: "getSmtpServer",
        errors: [404],
        example: { value: EXAMPLE_VIEW },
      },
      async (c, { path: { identifier }, query: { censor } }) => {
        // First, because this read proves the right and the kept definitions.
        const health = await circuit.health(identifier);
        const server = await servers.get(identifier);
        if (!server) throw serverNotFound();
        const reveal = revealSecrets && !censor;
        if (reveal && server.isSet.password) await auditLog.revealed(c.get("actor"), identifier, "password");
        c.header("ETag", server.etag);
        const detail = { ...toDefinitionDetail(server, health), ...unreadable([server], reveal) };
        return respond(toDefinitionView(server, reveal), { detail });
      },
    ),
    route(
      {
        ...WRITE,
        method: "POST",
        parameters: { path, body: definitionParams },
        detail: notices,
        summary: "Create or replace a definition",
        operationId: "saveSmtpServer",
        errors: [409, 412],
        headers: { "If-Match": "Replace only this version (ETag)", "If-None-Match": "`*`: create only" },
        example: { body: EXAMPLE, value: true },
      },
      async (c, { path: { identifier }, body }) => {
        const conditions = readConditions({
          ifMatch: c.req.header("if-match"),
          ifNoneMatch: c.req.header("if-none-match"),
        });
        const saved = await saveServer(identifier, toServerInput(body), conditions, c.get("actor"));
        c.header("ETag", saved.etag);
        return respond(true, { detail: noticeDetail([...saved.notices, ...c.get("notices")]) });
      },
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        parameters: { path },
        detail: v.object({ used_by: described(v.array(v.string()), "Plugins that send through it") }),
        summary: "Delete a definition",
        description: "The value is `false` if there was none.",
        operationId: "deleteSmtpServer",
        errors: [412],
        headers: { "If-Match": "Delete only this version (ETag)" },
      },
      async (c, { path: { identifier } }) => {
        const ifMatch = readIfMatch(c.req.header("if-match"));
        const used_by = await plugins.usersOf(identifier);
        const isRemoved = await servers.remove(identifier, ifMatch, c.get("actor"));
        return respond(isRemoved, { detail: used_by.length > 0 ? { used_by } : undefined });
      },
    ),
  ];
}

/** Returns the text of the list, which stays the same until a definition changes. */
function createListTexts() {
  const revealed = new WeakMap<object, SuccessText>();
  const censored = new WeakMap<object, SuccessText>();
  return (all: readonly StoredDefinition[], reveal: boolean): SuccessText => {
    const texts = reveal ? revealed : censored;
    const views = () => all.map((server) => [server.identifier, toDefinitionView(server, reveal)]);
    const text = texts.get(all) ?? successText(Object.fromEntries(views()), unreadable(all, reveal));
    texts.set(all, text);
    return text;
  };
}

/** Notices for passwords that no key decrypts. They are shown as censored, and the other definitions stay readable. */
function unreadable(all: readonly StoredDefinition[], reveal: boolean) {
  const names = all.filter((server) => reveal && server.password === null).map((server) => server.identifier);
  return noticeDetail(names.map((identifier) => notice("password_unreadable", "password", { identifier })));
}

/** RFC 9110 8.8.3. */
const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
/** An element of a comma-separated list. A comma inside quotes belongs to a tag. */
const LIST_ELEMENT = /(?:"[^"]*"|[^,"])+/g;

/** Reads `If-Match` and `If-None-Match` (RFC 9110 13.1). */
function readConditions(headers: {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}): SaveConditions {
  return { ifMatch: readIfMatch(headers.ifMatch), createOnly: readCreateOnly(headers.ifNoneMatch) };
}

/** `*` matches any definition. Weak tags never match (RFC 9110 8.8.3.2). */
function readIfMatch(header: string | undefined): EtagCondition | null {
  if (header === undefined) return null;
  if (header.trim() === "*") return () => true;
  // Elements may be empty (RFC 9110 5.6.1.2).
  const tags = (header.match(LIST_ELEMENT) ?? []).map((tag) => tag.trim()).filter((tag) => tag !== "");
  if (tags.length > 0 && tags.every((tag) => ENTITY_TAG.test(tag))) return (etag) => tags.includes(etag);
  throw invalidParameter("If-Match", "expected entity tags or *");
}

function readCreateOnly(header: string | undefined): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  throw invalidParameter("If-None-Match", "expected *");
}
