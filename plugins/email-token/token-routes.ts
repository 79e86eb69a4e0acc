import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, isConstraintError, missingParameter, pageOf, respond, route } from "sealpost/plugin";
import * as v from "valibot";
import { CHANNELS } from "./channels.ts";
import type { TokenContext } from "./config.ts";
import type { Enroll } from "./enroll.ts";
import type { Owners } from "./owners.ts";
import { initParams, listParams, namedParams, serialParams, tokenPage, type tokenView } from "./schema.ts";
import { MAX_FAILURES, type TokenRow, type TokenStore } from "./store.ts";

const tag = { name: "Tokens", description: "Second factors of users" };
const SEARCHED = ["user", "realm", "serial", "type"] as const;

/** Creates the routes with which admins manage tokens. */
export function tokenRoutes(deps: TokenRouteDeps) {
  return [initRoute(deps), listRoute(deps), resetRoute(deps), deleteRoute(deps)];
}

interface TokenRouteDeps extends Pick<TokenContext, "store" | "audit" | "random"> {
  readonly tokens: TokenStore;
  readonly owners: Owners;
  readonly enroll: Enroll;
}

function initRoute({ store, audit, tokens, enroll }: TokenRouteDeps) {
  return route(
    {
      method: "POST",
      path: "/token/init",
      parameters: { body: initParams },
      right: {
        of: ({ body: { type } }) => CHANNELS[type].right,
        among: Object.values(CHANNELS).map(({ right }) => right),
      },
      isProvedByRead: true,
      response: v.boolean(),
      detail: v.object({ serial: v.string() }),
      summary: "Enroll a token",
      description: "`detail` has the serial of the token.",
      operationId: "initToken",
      tag,
      errors: [409],
    },
    async (c, { body }) => {
      const row = await enroll(c, body);
      setTarget(c, row);
      const entry = { success: true, identifier: row.serial, recipient: row.address, info: row.type };
      const statements = [tokens.insert(row), audit.row(c, entry, "ifChanged")] as const;
      const [inserted] = await store.commit(statements).catch((cause) => {
        if (!isConstraintError(cause)) throw cause;
        throw conflict("A token with this serial exists", cause);
      });
      if (inserted.rowsAffected > 0) return respond(true, { detail: { serial: row.serial } });
      throw conflict("Another token is being created for this user: try again");
    },
  );
}

function listRoute({ audit, random, tokens, owners }: TokenRouteDeps) {
  return route(
    {
      method: "GET",
      path: "/token/",
      right: "tokenlist",
      parameters: { query: listParams },
      response: tokenPage,
      summary: "List tokens",
      operationId: "listTokens",
      tag,
    },
    async (c, { query }) => {
      const { user, realm, serial, type, page, pagesize } = query;
      const owner = user === "" ? null : await owners.find({ user, realm });
      const filter = {
        serial: serial || undefined,
        type,
        userId: user === "" ? undefined : (owner?.id ?? random.id()),
        realm: user === "" && realm !== "" ? realm : undefined,
      };
      const { rows, total } = await tokens.page(filter, page, pagesize);
      // Personal data was read, so log it; the search terms are personal data themselves, so log only their names.
      const fields = SEARCHED.filter((name) => query[name]).join(",");
      await audit.write(c, { success: true, fields, info: `${rows.length} tokens` });
      return { ...pageOf({ page, pageSize: pagesize }, total), tokens: rows.map(toView) };
    },
  );
}

function resetRoute({ store, audit, tokens, owners }: TokenRouteDeps) {
  return route(
    {
      method: "POST",
      path: "/token/reset",
      right: "reset",
      parameters: { body: namedParams },
      response: v.number(),
      summary: "Clear fail counters",
      description: "Of one token, or of all tokens of a user. The value is the number of tokens.",
      operationId: "resetToken",
      tag,
      errors: [404],
    },
    async (c, { body: named }) => {
      if (named.serial === "" && named.user === "") throw missingParameter("serial");
      c.set("auditTarget", { identifier: named.serial || named.user, recipient: "" });
      const rows =
        named.user === ""
          ? await tokens.search({ serial: named.serial })
          : (await owners.tokensOf(named)).map(({ token }) => token);
      const [first] = rows;
      if (!first) throw notFound();
      setTarget(c, first);
      const serials = rows.map(({ serial }) => serial);
      const row = audit.row(c, { success: true, identifier: serials.join(",") }, "ifChanged");
      const [reset] = await store.commit([tokens.reset(serials), row]);
      return reset.rowsAffected;
    },
  );
}

function deleteRoute({ store, audit, tokens }: TokenRouteDeps) {
  return route(
    {
      method: "DELETE",
      path: "/token/:serial",
      right: "delete",
      parameters: { path: serialParams },
      response: v.number(),
      summary: "Delete a token",
      description: "Its codes are deleted as well. The value is 1.",
      operationId: "deleteToken",
      tag,
      errors: [404],
    },
    async (c, { path: { serial } }) => {
      const token = await tokens.find(serial);
      if (token) setTarget(c, token);
      const row = audit.row(c, { success: true, identifier: serial }, "ifChanged");
      const [, removed] = await store.commit([...tokens.remove(serial), row]);
      if (removed.rowsAffected === 0) throw notFound();
      return removed.rowsAffected;
    },
  );
}

/** Sets what the event, and the audit row of a rejected request, say about the token. */
function setTarget(c: Context<Env>, { serial, type, username, realm, address }: TokenRow): void {
  c.set("eventData", { user: username, realm, serial, tokentype: type });
  c.set("auditTarget", { identifier: serial, recipient: address });
}

function toView(row: TokenRow): v.InferOutput<typeof tokenView> {
  const { serial, type, address, description, username, realm } = row;
  const name = type === "email" ? "email" : "phone";
  return {
    serial,
    tokentype: type,
    active: true,
    locked: row.failCount >= MAX_FAILURES,
    failcount: row.failCount,
    maxfail: MAX_FAILURES,
    otplen: row.otpLength,
    description,
    username,
    user_realm: realm,
    realms: realm === "" ? [] : [realm],
    has_pin: row.pinHash !== "",
    info: address === "" ? { [`dynamic_${name}`]: true } : { [name]: address },
    created: row.createdAt.toISOString(),
  };
}

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested Token could not be found.");
}

function conflict(message: string, cause?: unknown): SealpostError {
  return new SealpostError("conflict", message, { cause });
}
