import { type Context, Hono, type MiddlewareHandler } from "hono";
import { SealpostError } from "sealpost";
import {
  bodyParams,
  type Env,
  isConstraintError,
  missingParameter,
  operation,
  pageOf,
  pathParams,
  queryParams,
  success,
} from "sealpost/plugin";
import * as v from "valibot";
import { WAYS } from "./channels.ts";
import type { TokenContext } from "./config.ts";
import type { createEnrol } from "./enroll.ts";
import type { Owners } from "./owners.ts";
import { initParams, listParams, namedParams, pageView, serialParams, type tokenView } from "./schema.ts";
import { MOST_FAILURES, type TokenRepository, type TokenRow } from "./store.ts";

const tag = "Tokens";
/** Tokens and their owner are read first. */
const PROVED_BY_READ = { isProvedByRead: true } as const;
const SEARCHED = ["user", "realm", "serial", "type"] as const;

/** Tokens over HTTP, for admins. */
export function tokenRoutes(parts: {
  readonly ctx: TokenContext;
  readonly tokens: TokenRepository;
  readonly owners: Owners;
  readonly enrol: ReturnType<typeof createEnrol>;
}) {
  const { ctx, tokens, owners, enrol } = parts;
  const rights = Object.values(WAYS).map(({ right }) => right);

  /** Which right it is, the parameters tell, and those are for admins only to have looked at. */
  const mayEnrol: MiddlewareHandler<Env> = async (c, next) => {
    for (const right of rights) if (await ctx.guard.isAllowed(c, right, PROVED_BY_READ)) return next();
    return ctx.guard.requireRight(WAYS.email.right)(c, next);
  };

  return new Hono<Env>()
    .post(
      "/token/init",
      operation({
        summary: "Enrol a token; its serial in the detail",
        operationId: "initToken",
        tag,
        answer: v.boolean(),
        detail: v.object({ serial: v.string() }),
        body: initParams,
        refusals: [409],
      }),
      mayEnrol,
      bodyParams(initParams),
      async (c) => {
        const params = c.req.valid("json");
        await ctx.guard.requireRight(WAYS[params.type].right, PROVED_BY_READ)(c, () => Promise.resolve());
        const row = await enrol(c, params);
        tell(c, row);
        const said = { success: true, identifier: row.serial, recipient: row.address, info: row.type };
        const statements = [tokens.insert(row), ctx.audit.row(c, said, "ifChanged")] as const;
        const [inserted] = await ctx.store.commit(statements).catch((cause) => {
          throw isConstraintError(cause)
            ? conflict("There is a token with this serial already", cause)
            : cause;
        });
        if (inserted.rowsAffected === 0)
          throw conflict("Another token is being made for this user; try again");
        return c.json(success(true, ctx.time.now(), { serial: row.serial }));
      },
    )
    .get(
      "/token/",
      operation({ summary: "Tokens, a page at a time", operationId: "listTokens", tag, answer: pageView }),
      ctx.guard.requireRight("tokenlist"),
      queryParams(listParams),
      async (c) => {
        const query = c.req.valid("query");
        const { user, realm, serial, type, page, pagesize } = query;
        const owner = user === "" ? null : await owners.find({ user, realm });
        const filter = {
          ...{ serial: serial || undefined, type },
          userId: user === "" ? undefined : (owner?.id ?? ctx.random.id()),
          realm: user === "" && realm !== "" ? realm : undefined,
        };
        const { rows, total } = await tokens.page(filter, page, pagesize);
        const value: v.InferOutput<typeof pageView> = {
          ...pageOf({ page, pageSize: pagesize }, total),
          tokens: rows.map(toView),
        };
        // Addresses were read; by what was searched is as personal.
        const fields = SEARCHED.filter((name) => query[name]).join(",");
        await ctx.audit.write(c, { success: true, fields, info: `${rows.length} tokens` });
        return c.json(success(value, ctx.time.now()));
      },
    )
    .post(
      "/token/reset",
      operation({
        summary: "Clear the fail counter of a token, or of all of a user; the value is how many",
        operationId: "resetToken",
        tag,
        answer: v.number(),
        body: namedParams,
        refusals: [404],
      }),
      ctx.guard.requireRight("reset"),
      bodyParams(namedParams),
      async (c) => {
        const named = c.req.valid("json");
        if (named.serial === "" && named.user === "") throw missingParameter("serial");
        c.set("auditTarget", { identifier: named.serial || named.user, recipient: "" });
        const rows =
          named.user === ""
            ? await tokens.search({ serial: named.serial })
            : (await owners.tokensOf(named)).map(({ token }) => token);
        const [first] = rows;
        if (!first) throw notFound();
        tell(c, first);
        const serials = rows.map(({ serial }) => serial);
        const said = ctx.audit.row(c, { success: true, identifier: serials.join(",") }, "ifChanged");
        const [reset] = await ctx.store.commit([tokens.reset(serials), said]);
        return c.json(success(reset.rowsAffected, ctx.time.now()));
      },
    )
    .delete(
      "/token/:serial",
      operation({
        summary: "Delete a token and its code; the value is 1",
        operationId: "deleteToken",
        tag,
        answer: v.number(),
        refusals: [404],
      }),
      ctx.guard.requireRight("delete"),
      pathParams(serialParams),
      async (c) => {
        const { serial } = c.req.valid("param");
        const row = await tokens.find(serial);
        if (row) tell(c, row);
        const said = ctx.audit.row(c, { success: true, identifier: serial }, "ifChanged");
        const [, removed] = await ctx.store.commit([...tokens.remove(serial), said]);
        if (removed.rowsAffected === 0) throw notFound();
        return c.json(success(removed.rowsAffected, ctx.time.now()));
      },
    );
}

/** What handlers of events, and the audit row of a refusal, say of the request. */
function tell(c: Context<Env>, { serial, type, username, realm, address }: TokenRow): void {
  c.set("eventData", { user: username, realm, serial, tokentype: type });
  c.set("auditTarget", { identifier: serial, recipient: address });
}

function toView(row: TokenRow): v.InferOutput<typeof tokenView> {
  const { serial, type, address, description, username, realm } = row;
  const name = type === "email" ? "email" : "phone";
  return {
    ...{ serial, tokentype: type, active: true, locked: row.failCount >= MOST_FAILURES },
    ...{ failcount: row.failCount, maxfail: MOST_FAILURES, otplen: row.otpLength, description },
    ...{ username, user_realm: realm, realms: realm === "" ? [] : [realm], has_pin: row.pinHash !== "" },
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
