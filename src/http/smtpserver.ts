import type { Context } from "hono";
import * as v from "valibot";
import type { AuditLog } from "../access/audit-log.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Circuit } from "../mail/circuit.ts";
import { type Servers, type StoredDefinition, serverNotFound } from "../mail/servers/definitions.ts";
import { createDescribeIdentity, type DescribeIdentity } from "../mail/servers/describe-identity.ts";
import type { SaveServer } from "../mail/servers/save.ts";
import type { Registry } from "../plugin/registry.ts";
import { noticeDetail, noticeEntries, respond, usedByDetail, usedByEntries } from "../wire/envelope.ts";
import { type AssertMayReroute, serverLimitOf } from "../wire/guard.ts";
import { readCreateOnly, readIfMatch } from "../wire/request.ts";
import { route, tagged } from "../wire/route.ts";
import { described } from "../wire/schemas.ts";
import {
  definitionDetail,
  definitionParams,
  definitionTag,
  definitionView,
  EXAMPLE,
  EXAMPLE_VIEW,
  flag,
  identifierParams,
  listDetail,
  listParams,
  toServerInput,
} from "./smtpserver-schema.ts";
import {
  createListTexts,
  type ListResponse,
  toDefinitionDetail,
  toDefinitionView,
  toListDetail,
  unreadable,
} from "./smtpserver-view.ts";

const path = identifierParams;
const ONE = { path: "/smtpserver/:identifier" } as const;
const READ = { method: "GET", right: "smtpserver_read" } as const;
const WRITE = { ...ONE, right: "smtpserver_write", response: v.boolean() } as const;
const REROUTE =
  "A change that sends mail of plugins elsewhere also needs the right `smtpserver_route` once an active policy names it.";

interface ReadDeps {
  readonly servers: Servers;
  readonly circuit: Pick<Circuit, "health" | "healthOfAll">;
  readonly plugins: Pick<Registry, "serverUsers">;
  readonly auditLog: AuditLog;
  readonly platform: Pick<Platform, "now">;
  /** Whether responses contain passwords. */
  readonly revealSecrets: boolean;
}

interface WriteDeps {
  readonly servers: Servers;
  readonly saveServer: SaveServer;
  readonly plugins: Pick<Registry, "serverUsers">;
  readonly assertMayReroute: AssertMayReroute;
}

/** Creates what reads the details of listed definitions: their health in one round trip, whatever their number. */
function createListDetails({ circuit, plugins, platform }: ReadDeps, describeIdentity: DescribeIdentity) {
  return async (all: readonly StoredDefinition[]) => {
    const now = platform.now();
    const [healthOf, users] = await Promise.all([circuit.healthOfAll(), plugins.serverUsers()]);
    const entries = all.map(async (one) => {
      const { identifier } = one;
      const identity = await describeIdentity(one, now);
      const { plugins: usedBy } = users.of(identifier);
      return [
        identifier,
        toListDetail(one, healthOf(identifier), identity?.daysLeft ?? null, usedBy),
      ] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  };
}

/** Whether the response has no body, and so reveals nothing. */
const isHead = ({ req: { method } }: Context): boolean => method === "HEAD";

/** Server definitions. */
export function smtpServerRoutes(deps: ReadDeps & WriteDeps) {
  return tagged(definitionTag, [...readRoutes(deps), ...writeRoutes(deps)]);
}

function readRoutes(deps: ReadDeps) {
  const { servers, circuit, auditLog, platform, revealSecrets } = deps;
  const textOf = createListTexts();
  const describeIdentity = createDescribeIdentity(servers);
  const details = createListDetails(deps, describeIdentity);
  return [
    route(
      {
        ...READ,
        path: "/smtpserver/",
        parameters: {
          query: v.object({
            ...listParams.entries,
            detail: v.optional(
              described(flag, "Show the health and use of each definition in `detail`"),
              false,
            ),
          }),
        },
        response: v.record(v.string(), definitionView),
        detail: listDetail,
        summary: "List definitions",
        description: "The value has each definition under its identifier.",
        operationId: "listSmtpServers",
      },
      async (c, { query: { censor, detail: isDetailed } }) => {
        const { isLimited, includes } = serverLimitOf(c);
        const stored = await servers.list();
        // The same array as long as nothing changes, which its text is cached for.
        const all = isLimited ? stored.filter(({ identifier }) => includes(identifier)) : stored;
        const reveal = revealSecrets && !censor && !isHead(c);
        if (reveal && all.some((server) => server.isSet.password)) {
          await auditLog.revealed(c.get("actor"), "", "password");
        }
        if (isDetailed) {
          const servers = await details(all);
          const value = Object.fromEntries(all.map((one) => [one.identifier, toDefinitionView(one, reveal)]));
          return respond(value, { detail: { servers, ...unreadable(all, reveal) } });
        }
        const text = textOf(all, reveal)(platform.now());
        const response: Response = c.body(text, 200, { "content-type": "application/json" });
        return response as ListResponse;
      },
    ),
    route(
      {
        ...READ,
        ...ONE,
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
        const reveal = revealSecrets && !censor && !isHead(c);
        if (reveal && server.isSet.password) await auditLog.revealed(c.get("actor"), identifier, "password");
        c.header("ETag", server.etag);
        const identity = await describeIdentity(server, platform.now());
        const detail = { ...toDefinitionDetail(server, health, identity), ...unreadable([server], reveal) };
        return respond(toDefinitionView(server, reveal), { detail });
      },
    ),
  ];
}

function writeRoutes({ servers, saveServer, plugins, assertMayReroute }: WriteDeps) {
  return [
    route(
      {
        ...WRITE,
        method: "POST",
        parameters: { path, body: definitionParams },
        detail: v.object({ ...noticeEntries, ...usedByEntries }),
        summary: "Create or replace a definition",
        description: REROUTE,
        operationId: "saveSmtpServer",
        errors: [409, 412],
        headers: { "If-Match": "Replace only this version (ETag)", "If-None-Match": "`*`: create only" },
        example: { body: EXAMPLE, value: true },
      },
      async (c, { path: { identifier }, body }) => {
        const ifMatch = readIfMatch(c.req.header("if-match"));
        const createOnly = readCreateOnly(c.req.header("if-none-match"));
        const conditions = { ifMatch, createOnly, assertReroute: () => assertMayReroute(c) };
        const saved = await saveServer(identifier, toServerInput(body), conditions, c.get("actor"));
        c.header("ETag", saved.etag);
        return respond(true, { detail: usedByDetail(saved.usedBy, noticeDetail(saved.notices)) });
      },
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        parameters: { path },
        detail: v.object(usedByEntries),
        summary: "Delete a definition",
        description: `The value is \`false\` if there was none. ${REROUTE}`,
        operationId: "deleteSmtpServer",
        errors: [412],
        headers: { "If-Match": "Delete only this version (ETag)" },
      },
      async (c, { path: { identifier } }) => {
        const ifMatch = readIfMatch(c.req.header("if-match"));
        const { plugins: usedBy } = (await plugins.serverUsers()).of(identifier);
        const conditions = { ifMatch, assertReroute: () => assertMayReroute(c) };
        const isRemoved = await servers.remove(identifier, conditions, c.get("actor"));
        return respond(isRemoved, { detail: usedByDetail(usedBy) });
      },
    ),
  ];
}
