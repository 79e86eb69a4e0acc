import { SealpostError } from "sealpost";
import {
  deliveryView,
  IDEMPOTENCY_HEADER,
  invalidParameter,
  language,
  notice,
  noticeDetail,
  noticeEntries,
  type PluginContext,
  respond,
  route,
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
  testParams,
  toGateway,
  toGatewayView,
  yieldsAddress,
} from "./schema.ts";
import { type SendSms, type SmsDelivery, serversOf } from "./send.ts";
import type { GatewayStore } from "./store.ts";

const tag = { name: "SMS gateways", description: "Gateways that turn email into text messages" };
const READ = { method: "GET", right: "smsgateway_read", tag } as const;
const WRITE = { right: "smsgateway_write", tag } as const;
const TEST_TEXTS = { en: "This is a test of Sealpost", de: "Dies ist ein Test von Sealpost" } as const;
const path = v.object({ gateway: v.pipe(v.string(), v.description("Number or name of the gateway")) });
const testDetail = v.object({
  code: v.optional(v.string()),
  recipient: v.optional(v.pipe(v.string(), v.description("Address of the gateway"))),
  delivery: v.optional(deliveryView),
  mail_id: v.optional(v.string()),
});

/** Creates the routes with which admins manage SMS gateways. */
export function gatewayRoutes({
  mail,
  store,
  audit,
  gateways,
  sendSms,
}: Pick<PluginContext, "mail" | "store" | "audit"> & {
  readonly gateways: GatewayStore;
  readonly sendSms: SendSms;
}) {
  return [
    route(
      {
        ...READ,
        path: "/smsgateway/",
        response: v.array(gatewayView),
        summary: "List SMS gateways",
        operationId: "listSmsGateways",
      },
      async () => (await gateways.list()).map(toGatewayView),
    ),
    route(
      {
        ...WRITE,
        method: "POST",
        path: "/smsgateway/",
        parameters: { body: gatewayParams },
        checkNames: assertKnownOptions,
        response: v.number(),
        detail: v.object(noticeEntries),
        summary: "Create or replace an SMS gateway",
        description: "The value is the number of the gateway.",
        operationId: "saveSmsGateway",
      },
      async (c, { body }) => {
        const input = toGateway(body);
        c.set("auditTarget", { identifier: input.identifier, recipient: "" });
        if (!yieldsAddress(input)) {
          throw invalidParameter(
            "option.MAILTO",
            "yields no email address for a number such as +491701234567",
          );
        }
        const fields = OPTION_NAMES.filter((name) => input[OPTIONS[name].column] !== "").join(",");
        const entry = { success: true, identifier: input.identifier, fields };
        await store.commit([gateways.put(input), audit.row(c, entry)]);
        const saved = await gateways.find(input.identifier);
        const known = await mail.servers();
        const missing = serversOf(input).filter((name) => !known.includes(name));
        const notices = missing.map((identifier) =>
          notice("server_missing", "option.SMTPIDENTIFIER", { identifier }),
        );
        return respond(saved?.id ?? 0, { detail: noticeDetail(notices) });
      },
    ),
    route(
      {
        ...READ,
        path: "/smsgateway/providers",
        response: providersView,
        summary: "List providers",
        description: "The options of a gateway, and the SMTP servers that it can use.",
        operationId: "listSmsProviders",
      },
      async () => {
        const values = [...(await mail.servers())];
        const parameters = Object.fromEntries(
          OPTION_NAMES.map((name) => {
            const { required, description } = OPTIONS[name];
            return [name, { required, description, ...(name === "SMTPIDENTIFIER" ? { values } : {}) }];
          }),
        );
        return { [MODULE]: { options_allowed: false, headers_allowed: false, parameters } };
      },
    ),
    route(
      {
        ...WRITE,
        method: "POST",
        path: "/smsgateway/send_test_sms",
        parameters: { body: testParams },
        response: v.boolean(),
        detail: testDetail,
        summary: "Send a test SMS",
        description: "Sends a real SMS through a stored gateway.",
        operationId: "sendTestSms",
        errors: [404, 409],
        headers: IDEMPOTENCY_HEADER,
      },
      async (c, { body: { name, phone, text = TEST_TEXTS[language(c, ["en", "de"])] } }) => {
        c.set("auditTarget", { identifier: name, recipient: phone });
        const gateway = await gateways.find(name);
        if (!gateway) throw notFound();
        const idempotencyKey = c.req.header("idempotency-key");
        const sent = await sendSms(gateway, { phone, text }, { request: c, idempotencyKey });
        const isSent = sent.recipient !== null && sent.outcome.state !== "failed";
        const info = sent.recipient === null ? sent.code : `sent to ${sent.recipient}: ${sent.outcome.state}`;
        await audit.write(c, { success: isSent, identifier: name, recipient: phone, info });
        return respond(isSent, { detail: await detailOf(sent) });
      },
    ),
    route(
      {
        ...READ,
        path: "/smsgateway/:gateway",
        parameters: { path },
        response: v.array(gatewayView),
        summary: "Get an SMS gateway",
        description: "The value is a list with this one gateway.",
        operationId: "getSmsGateway",
        errors: [404],
      },
      async (_, { path: { gateway } }) => {
        const byNumber = /^\d{1,15}$/.test(gateway) ? await gateways.get(Number(gateway)) : undefined;
        const row = byNumber ?? (await gateways.find(gateway.normalize("NFC")));
        if (!row) throw notFound();
        return [toGatewayView(row)];
      },
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        path: "/smsgateway/:gateway",
        parameters: { path },
        response: v.number(),
        summary: "Delete an SMS gateway",
        description: "By its name. The value is its number.",
        operationId: "deleteSmsGateway",
        errors: [404],
      },
      async (c, { path: { gateway } }) => {
        const identifier = gateway.normalize("NFC");
        c.set("auditTarget", { identifier, recipient: "" });
        const row = await gateways.find(identifier);
        const auditRow = audit.row(c, { success: true, identifier }, "ifChanged");
        const [removed] = await store.commit([gateways.remove(identifier), auditRow]);
        if (!row || removed.rowsAffected === 0) throw notFound();
        return row.id;
      },
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        path: "/smsgateway/option/:id/:key",
        parameters: { path: keyParams },
        response: v.boolean(),
        summary: "Reset an option of a gateway",
        operationId: "deleteSmsGatewayOption",
        errors: [404],
      },
      async (c, { path: { id, key } }) => {
        const { column, required, fallback } = OPTIONS[key];
        c.set("auditTarget", { identifier: id, recipient: "" });
        if (required) throw invalidParameter("key", `a gateway needs ${key}`);
        const row = await gateways.get(Number(id));
        if (!row) throw notFound();
        if (!yieldsAddress({ ...row, [column]: fallback })) {
          throw invalidParameter("key", `MAILTO yields no email address without ${key}`);
        }
        const entry = { success: true, identifier: row.identifier, fields: key };
        const change = gateways.set(row.id, { [column]: fallback });
        await store.commit([change, audit.row(c, entry, "ifChanged")]);
        return true;
      },
    ),
  ];

  async function detailOf(sent: SmsDelivery) {
    if (sent.recipient === null) return { code: sent.code };
    const { recipient, outcome } = sent;
    if (outcome.state === "queued") return { recipient, mail_id: outcome.mailId };
    return { recipient, delivery: await mail.diagnose(outcome) };
  }
}

/** Rejects misspelled options, which would have no effect otherwise. */
function assertKnownOptions(names: readonly string[]): void {
  for (const name of names) {
    const [kind = "", key] = name.split(".");
    const isKnown = OPTION_NAMES.some((option) => name === `option.${option}`);
    if (key === undefined || isKnown || !["option", "header", "secret"].includes(kind)) continue;
    throw invalidParameter(name, `expected ${OPTION_NAMES.map((option) => `option.${option}`).join(", ")}`);
  }
}

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested SMSGateway could not be found.");
}
