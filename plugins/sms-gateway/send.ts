import {
  type PluginContext,
  parseAddress,
  render,
  type Sms,
  type SubmitOptions,
  type SubmitOutcome,
} from "sealpost/plugin";
import { MOST_PHONE_CHARACTERS } from "./rewrite.ts";
import { rewriteOf } from "./schema.ts";
import type { GatewayRepository, GatewayRow } from "./store.ts";

const DEFAULT_GATEWAY = "default";
const PHONE = /^\+?\d{3,}$/;
/** What people write between digits. */
const SEPARATORS = /[ ()/.-]/g;

/** How a short message left, by which mail; or why no mail could be made of it. */
export type SmsDelivery =
  | { readonly recipient: string; readonly outcome: SubmitOutcome }
  | { readonly recipient: null; readonly code: "gateway_unknown" | "phone_unusable" };

type Send = (
  gateway: GatewayRow | undefined,
  message: { readonly phone: string; readonly text: string },
  options: SubmitOptions,
) => Promise<SmsDelivery>;

/** Makes what sends short messages: as mail to a gateway, which makes SMS of it. */
export function createSend(ctx: Pick<PluginContext, "mail">): Send {
  return async (gateway, { phone, text }, options) => {
    if (!gateway) return { recipient: null, code: "gateway_unknown" };
    const number = phone.replace(SEPARATORS, "");
    if (!PHONE.test(number) || phone.length > MOST_PHONE_CHARACTERS) {
      return { recipient: null, code: "phone_unusable" };
    }
    const values = { phone: rewriteOf(gateway.regexp)(number), otp: text };
    const recipient = parseAddress(render(gateway.mailto, values, { line: true }));
    if (recipient === null) return { recipient, code: "phone_unusable" };
    const message = {
      to: [{ name: "", address: recipient }],
      subject: render(gateway.subject, values, { line: true }),
      text: render(gateway.body, values),
    };
    const servers = serversOf(gateway);
    return { recipient, outcome: await ctx.mail.submit(servers, message, options) };
  };
}

/** The capability `sms`. */
export function createSms(parts: {
  readonly ctx: Pick<PluginContext, "mail">;
  readonly gateways: GatewayRepository;
  readonly send: Send;
}): Sms {
  const { ctx, gateways, send } = parts;
  return {
    async send(name, message, options) {
      const gateway = await gateways.find(name || DEFAULT_GATEWAY);
      const sent = await send(gateway, message, options);
      if (sent.recipient === null) {
        return { state: "failed", code: sent.code, outcome: "not-sent", detail: {} };
      }
      const { outcome } = sent;
      if (outcome.state !== "failed") return { state: outcome.state };
      const { code, outcome: fate } = outcome.failure;
      return { state: "failed", code, outcome: fate, detail: (await ctx.mail.diagnose(outcome)) ?? {} };
    },
  };
}

/** The SMTP servers that a gateway names. */
export function serversOf({ smtpidentifier }: Pick<GatewayRow, "smtpidentifier">): readonly string[] {
  const names = smtpidentifier.split(",").map((name) => name.trim());
  const named = names.filter((name) => name !== "");
  return named.length > 0 ? named : [DEFAULT_SERVER];
}
const DEFAULT_SERVER = "default";
