import type { MiddlewareHandler } from "hono";
import { Hono } from "hono";
import { SealpostError } from "sealpost";
import {
  allParams,
  bodyParams,
  deliveryView,
  type Env,
  IDEMPOTENCY_HEADER,
  invalidParameter,
  language,
  notice,
  noticeDetail,
  noticeEntries,
  operation,
  type PluginContext,
  pathParams,
  success,
} from "sealpost/plugin";
import * as v from "valibot";
import {
  gatewayParams,
  gatewayView,
  keyParams,
  MODULE,
  OPTION_NAMES,
  OPTIONS,
  providersView,
  reachesAnybody,
  testParams,
  toGateway,
  toGatewayView,
} from "./schema.ts";
import { type createSend, serversOf } from "./send.ts";
import type { GatewayRepository } from "./store.ts";

const tag = "SMS gateways";
const READ = "smsgateway_read";
const WRITE = "smsgateway_write";
const TEST_TEXTS = { en: "This is a test of Sealpost", de: "Dies ist ein Test von Sealpost" } as const;
const nameParams = v.object({ gateway: v.pipe(v.string(), v.description("Its number, or its name")) });

/** SMS gateways over HTTP, for admins. */
export function gatewayRoutes(parts: {
  readonly ctx: PluginContext;
  readonly gateways: GatewayRepository;
  readonly send: ReturnType<typeof createSend>;
}) {
  const { ctx, gateways, send } = parts;

  return new Hono<Env>()
    .get(
      "/smsgateway/",
      operation({
        summary: "All gateways",
        operationId: "listSmsGateways",
        tag,
        answer: v.array(gatewayView),
      }),
      ctx.guard.requireRight(READ),
      async (c) => c.json(success((await gateways.list()).map(toGatewayView), ctx.time.now())),
    )
    .post(
      "/smsgateway/",
      operation({
        summary: "Create or replace a gateway; the value is its number",
        operationId: "saveSmsGateway",
        tag,
        answer: v.number(),
        detail: v.object(noticeEntries),
        body: gatewayParams,
      }),
      ctx.guard.requireRight(WRITE),
      allParams(),
      refuseOtherOptions,
      bodyParams(gatewayParams),
      async (c) => {
        const input = toGateway(c.req.valid("json"));
        c.set("auditTarget", { identifier: input.identifier, recipient: "" });
        if (!reachesAnybody(input)) {
          throw invalidParameter(
            "option.MAILTO",
            "a number such as +491701234567 makes no mail address of it",
          );
        }
        const fields = OPTION_NAMES.filter((name) => input[OPTIONS[name].column] !== "").join(",");
        const said = { success: true, identifier: input.identifier, fields };
        await ctx.store.commit([gateways.put(input), ctx.audit.row(c, said)]);
        const saved = await gateways.find(input.identifier);
        const known = await ctx.mail.servers();
        const missing = serversOf(input).filter((name) => !known.includes(name));
        const notices = missing.map((identifier) =>
          notice("server_missing", "option.SMTPIDENTIFIER", { identifier }),
        );
        return c.json(success(saved?.id ?? 0, ctx.time.now(), noticeDetail(notices)));
      },
    )
    .get(
      "/smsgateway/providers",
      operation({
        summary: "What a gateway is made of, and the SMTP servers that there are",
        operationId: "listSmsProviders",
        tag,
        answer: providersView,
      }),
      ctx.guard.requireRight(READ),
      async (c) => {
        const values = [...(await ctx.mail.servers())];
        const parameters = Object.fromEntries(
          OPTION_NAMES.map((name) => {
            const { required, description } = OPTIONS[name];
            return [name, { required, description, ...(name === "SMTPIDENTIFIER" ? { values } : {}) }];
          }),
        );
        const provider = { options_allowed: false, headers_allowed: false, parameters };
        return c.json(success({ [MODULE]: provider }, ctx.time.now()));
      },
    )
    .post(
      "/smsgateway/send_test_sms",
      operation({
        summary: "Send a real SMS through a saved gateway",
        operationId: "sendTestSms",
        tag,
        answer: v.boolean(),
        detail: v.object({
          code: v.optional(v.string()),
          recipient: v.optional(v.pipe(v.string(), v.description("Where the mail went"))),
          delivery: v.optional(deliveryView),
          mail_id: v.optional(v.string()),
        }),
        body: testParams,
        refusals: [404, 409],
        headers: IDEMPOTENCY_HEADER,
      }),
      ctx.guard.requireRight(WRITE),
      bodyParams(testParams),
      async (c) => {
        const { name, phone, text = TEST_TEXTS[language(c, ["en", "de"])] } = c.req.valid("json");
        const message = { phone, text };
        c.set("auditTarget", { identifier: name, recipient: message.phone });
        const gateway = await gateways.find(name);
        if (!gateway) throw notFound();
        const idempotencyKey = c.req.header("idempotency-key");
        const sent = await send(gateway, message, { request: c, idempotencyKey });
        const isSent = sent.recipient !== null && sent.outcome.state !== "failed";
        const info = sent.recipient === null ? sent.code : `sent to ${sent.recipient}: ${sent.outcome.state}`;
        await ctx.audit.write(c, { success: isSent, identifier: name, recipient: message.phone, info });
        return c.json(success(isSent, ctx.time.now(), await detailOf(sent)));
      },
    )
    .get(
      "/smsgateway/:gateway",
      operation({
        summary: "One gateway, as a list",
        operationId: "getSmsGateway",
        tag,
        answer: v.array(gatewayView),
        refusals: [404],
      }),
      ctx.guard.requireRight(READ),
      pathParams(nameParams),
      async (c) => {
        const { gateway } = c.req.valid("param");
        const byNumber = /^\d{1,15}$/.test(gateway) ? await gateways.get(Number(gateway)) : undefined;
        const row = byNumber ?? (await gateways.find(gateway.normalize("NFC")));
        if (!row) throw notFound();
        return c.json(success([toGatewayView(row)], ctx.time.now()));
      },
    )
    .delete(
      "/smsgateway/:gateway",
      operation({
        summary: "Delete a gateway by its name; the value is its number",
        operationId: "deleteSmsGateway",
        tag,
        answer: v.number(),
        refusals: [404],
      }),
      ctx.guard.requireRight(WRITE),
      pathParams(nameParams),
      async (c) => {
        const identifier = c.req.valid("param").gateway.normalize("NFC");
        c.set("auditTarget", { identifier, recipient: "" });
        const row = await gateways.find(identifier);
        const said = ctx.audit.row(c, { success: true, identifier }, "ifChanged");
        const [removed] = await ctx.store.commit([gateways.remove(identifier), said]);
        if (!row || removed.rowsAffected === 0) throw notFound();
        return c.json(success(row.id, ctx.time.now()));
      },
    )
    .delete(
      "/smsgateway/option/:id/:key",
      operation({
        summary: "Give an option of a gateway its default",
        operationId: "deleteSmsGatewayOption",
        tag,
        answer: v.boolean(),
        refusals: [404],
      }),
      ctx.guard.requireRight(WRITE),
      pathParams(keyParams),
      async (c) => {
        const { id, key } = c.req.valid("param");
        const { column, required, fallback } = OPTIONS[key];
        c.set("auditTarget", { identifier: id, recipient: "" });
        if (required) throw invalidParameter("key", `a gateway cannot be without ${key}`);
        const row = await gateways.get(Number(id));
        if (!row) throw notFound();
        if (!reachesAnybody({ ...row, [column]: fallback })) {
          throw invalidParameter("key", `MAILTO makes no mail address without ${key}`);
        }
        const said = { success: true, identifier: row.identifier, fields: key };
        await ctx.store.commit([
          gateways.set(row.id, { [column]: fallback }),
          ctx.audit.row(c, said, "ifChanged"),
        ]);
        return c.json(success(true, ctx.time.now()));
      },
    );

  async function detailOf(sent: Awaited<ReturnType<typeof send>>) {
    if (sent.recipient === null) return { code: sent.code };
    const { recipient, outcome } = sent;
    if (outcome.state === "queued") return { recipient, mail_id: outcome.mailId };
    return { recipient, delivery: await ctx.mail.diagnose(outcome) };
  }
}

/** A misspelt option would be silently without effect. */
const refuseOtherOptions: MiddlewareHandler<Env, string, { out: { json: Record<string, unknown> } }> = async (
  c,
  next,
) => {
  for (const name of Object.keys(c.req.valid("json"))) {
    const [kind, key] = name.split(".");
    const isKnown = kind === "option" && OPTION_NAMES.some((option) => name === `option.${option}`);
    if (key === undefined || isKnown || !["option", "header", "secret"].includes(kind ?? "")) continue;
    throw invalidParameter(name, `expected ${OPTION_NAMES.map((option) => `option.${option}`).join(", ")}`);
  }
  await next();
};

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested SMSGateway could not be found.");
}
