import {
  IDEMPOTENCY_HEADER,
  language,
  notice,
  noticeDetail,
  noticeEntries,
  type PluginContext,
  respond,
  route,
  tagged,
  usedByDetail,
  usedByEntries,
} from "sealpost/plugin";
import * as v from "valibot";
import { type CheckText, createGateways, type Gateways, notFound } from "./manage.ts";
import {
  assertKnownOptions,
  gatewayParams,
  gatewayPath,
  gatewayView,
  keyParams,
  providersView,
  testDetail,
  testParams,
  toGateway,
  toGatewayView,
  toProvidersView,
} from "./schema.ts";
import { type SendSms, type SmsDelivery, serversOf } from "./send.ts";
import type { GatewayStore } from "./store.ts";

const TAG = { name: "SMS gateways", description: "Gateways that turn email into text messages" };
const READ = { method: "GET", right: "smsgateway_read" } as const;
const WRITE = { right: "smsgateway_write" } as const;
const ONE = { path: "/smsgateway/:gateway", parameters: { path: gatewayPath }, errors: [404] } as const;
const TEST_TEXTS = { en: "This is a test of Sealpost", de: "Dies ist ein Test von Sealpost" } as const;

interface RouteDeps extends Pick<PluginContext, "mail" | "store" | "audit" | "guard"> {
  readonly gateways: GatewayStore;
  readonly sendSms: SendSms;
  readonly checkText: CheckText;
}

/** Creates the routes with which admins manage SMS gateways. */
export function gatewayRoutes(deps: RouteDeps) {
  const managed = createGateways(deps);
  // The fixed paths first: `/smsgateway/:gateway` also matches them.
  return tagged(TAG, [testRoute(deps), ...readRoutes(deps, managed), ...writeRoutes(deps, managed)]);
}

function readRoutes({ mail, gateways }: RouteDeps, managed: Gateways) {
  return [
    route(
      { ...READ, path: "/smsgateway/", response: v.array(gatewayView), summary: "List SMS gateways" },
      async () => (await gateways.list()).map(toGatewayView),
    ),
    route(
      {
        ...READ,
        path: "/smsgateway/providers",
        response: providersView,
        summary: "List SMS providers",
        description: "The options of a gateway, and the SMTP servers that it can use.",
      },
      async () => toProvidersView(await mail.servers()),
    ),
    route(
      {
        ...READ,
        ...ONE,
        response: v.array(gatewayView),
        summary: "Get an SMS gateway",
        description: "The value is a list with this one gateway.",
      },
      async (_, { path: { gateway } }) => [toGatewayView(await managed.get(gateway))],
    ),
  ];
}

function writeRoutes({ mail }: RouteDeps, managed: Gateways) {
  return [
    route(
      {
        ...WRITE,
        method: "POST",
        path: "/smsgateway/",
        parameters: { body: gatewayParams },
        checkNames: assertKnownOptions,
        response: v.number(),
        detail: v.object({ ...noticeEntries, ...usedByEntries }),
        summary: "Create or replace an SMS gateway",
        description:
          "The value is the number of the gateway. A change that sends codes elsewhere also needs the right `smtpserver_route` once an active policy names it.",
        operationId: "saveSmsGateway",
      },
      async (c, { body }) => {
        const input = toGateway(body);
        const { id, usedBy } = await managed.save(c, input);
        const known = await mail.servers();
        const missing = serversOf(input).filter((name) => !known.includes(name));
        const notices = missing.map((identifier) =>
          notice("server_missing", "option.SMTPIDENTIFIER", { identifier }),
        );
        return respond(id, { detail: usedByDetail(usedBy, noticeDetail(notices)) });
      },
    ),
    route(
      {
        ...WRITE,
        ...ONE,
        method: "DELETE",
        response: v.number(),
        detail: v.object(usedByEntries),
        summary: "Delete an SMS gateway",
        description: "By its name. The value is its number.",
      },
      async (c, { path: { gateway } }) => {
        const { id, usedBy } = await managed.remove(c, gateway);
        return respond(id, { detail: usedByDetail(usedBy) });
      },
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        path: "/smsgateway/option/:id/:key",
        parameters: { path: keyParams },
        response: v.boolean(),
        detail: v.object(usedByEntries),
        summary: "Reset an option of a gateway",
        operationId: "deleteSmsGatewayOption",
        errors: [404],
      },
      async (c, { path: { id, key } }) => {
        const { usedBy } = await managed.reset(c, id, key);
        return respond(true, { detail: usedByDetail(usedBy) });
      },
    ),
  ];
}

function testRoute({ mail, audit, gateways, sendSms }: RouteDeps) {
  return route(
    {
      ...WRITE,
      method: "POST",
      path: "/smsgateway/send_test_sms",
      parameters: { body: testParams },
      response: v.boolean(),
      detail: testDetail,
      summary: "Send a test SMS",
      description: "Sends a real SMS through a stored gateway.",
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
      return respond(isSent, { detail: await detailOf(mail, sent) });
    },
  );
}

async function detailOf(mail: PluginContext["mail"], sent: SmsDelivery) {
  if (sent.recipient === null) return { code: sent.code };
  const { recipient, outcome } = sent;
  if (outcome.state === "queued") return { recipient, mail_id: outcome.mailId };
  return { recipient, delivery: await mail.diagnose(outcome) };
}
