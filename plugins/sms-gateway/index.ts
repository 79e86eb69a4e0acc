import { codeLinks, definePlugin, webOrigins } from "sealpost/plugin";
import * as v from "valibot";
import migration from "./migrations/0001_gateways.sql" with { type: "text" };
import { gatewayRoutes } from "./routes.ts";
import { createSendSms, createSms, serversOf } from "./send.ts";
import { createGatewayStore, GATEWAYS, gateway } from "./store.ts";

/** SMS through gateways that accept email. */
export const smsGateway = definePlugin({
  name: "sms-gateway",
  options: v.object({
    /** Where a URL with a code may lead, besides `SEALPOST_BASE_URL`. */
    linkOrigins: v.optional(webOrigins, []),
  }),
  tables: { gateway },
  kept: [GATEWAYS],
  migrations: [{ name: "0001_gateways", sql: migration }],
  rights: { smsgateway_read: "List SMS gateways", smsgateway_write: "Change and test SMS gateways" },
  provides: ["sms"],
  setup(ctx, { linkOrigins }) {
    const gateways = createGatewayStore(ctx.store);
    const sendSms = createSendSms(ctx);
    const problemOf = codeLinks({ codes: ["otp"], harmless: ["phone"], origins: linkOrigins });
    const checkText = (template: string) => problemOf(template, ctx.baseUrl);
    return {
      routes: gatewayRoutes({ ...ctx, gateways, sendSms, checkText }),
      provides: { sms: createSms({ ...ctx, gateways, sendSms }) },
      servers: async () => (await gateways.list()).flatMap(serversOf),
    };
  },
});
