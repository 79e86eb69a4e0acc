import { definePlugin } from "sealpost/plugin";
import * as v from "valibot";
import migration from "./migrations/0001_gateways.sql" with { type: "text" };
import { gatewayRoutes } from "./routes.ts";
import { createSend, createSms, serversOf } from "./send.ts";
import { createGatewayRepository, GATEWAYS, gateway } from "./store.ts";

/** Short messages through gateways that take mail. */
export const smsGateway = definePlugin({
  name: "sms-gateway",
  options: v.object({}),
  tables: { gateway },
  kept: [GATEWAYS],
  migrations: [{ name: "0001_gateways", sql: migration }],
  rights: { smsgateway_read: "List SMS gateways", smsgateway_write: "Change and test SMS gateways" },
  provides: ["sms"],
  setup(ctx) {
    const gateways = createGatewayRepository(ctx);
    const send = createSend(ctx);
    return {
      routes: gatewayRoutes({ ctx, gateways, send }),
      provides: { sms: createSms({ ctx, gateways, send }) },
      servers: async () => (await gateways.list()).flatMap(serversOf),
    };
  },
});
