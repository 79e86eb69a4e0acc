import { definePlugin } from "sealpost/plugin";
import * as v from "valibot";
import migration from "./migrations/0001_gateways.sql" with { type: "text" };
import { gatewayRoutes } from "./routes.ts";
import { createSendSms, createSms, serversOf } from "./send.ts";
import { createGatewayStore, GATEWAYS, gateway } from "./store.ts";

/** SMS through gateways that accept email. */
export const smsGateway = definePlugin({
  name: "sms-gateway",
  options: v.object({}),
  tables: { gateway },
  kept: [GATEWAYS],
  migrations: [{ name: "0001_gateways", sql: migration }],
  rights: { smsgateway_read: "List SMS gateways", smsgateway_write: "Change and test SMS gateways" },
  provides: ["sms"],
  setup(ctx) {
    const gateways = createGatewayStore(ctx.store);
    const sendSms = createSendSms(ctx);
    return {
      routes: gatewayRoutes({ ...ctx, gateways, sendSms }),
      provides: { sms: createSms({ ...ctx, gateways, sendSms }) },
      servers: async () => (await gateways.list()).flatMap(serversOf),
    };
  },
});
