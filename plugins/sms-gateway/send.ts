import {
  type PluginContext,
  parseAddress,
  render,
  type Sms,
  type SubmitOptions,
  type SubmitOutcome,
} from "sealpost/plugin";
import { MAX_PHONE_CHARACTERS } from "./rewrite.ts";
import { rewriteOf } from "./schema.ts";
import type { GatewayRow, GatewayStore } from "./store.ts";

const DEFAULT_GATEWAY = "default";
const DEFAULT_SERVER = "default";
const PHONE = /^\+?\d{3,}$/;
/** Characters that people write between digits. */
const SEPARATORS = /[ ()/.-]/g;
/** A `(0)` after the country code, which is dialed only without that code. */
const TRUNK_PREFIX = /^((?:\+|00)[ (]*\d{1,3}[ )/.-]*)\(0\)/;

/** The message to the gateway and its outcome, or why there is none. */
export type SmsDelivery =
  | { readonly recipient: string; readonly outcome: SubmitOutcome }
  | { readonly recipient: null; readonly code: "gateway_unknown" | "phone_unusable" };

/** Sends an SMS as a message to a gateway, which delivers it to the phone. */
export type SendSms = (
  gateway: GatewayRow | undefined,
  message: { readonly phone: string; readonly text: string },
  options: SubmitOptions,
) => Promise<SmsDelivery>;

export function createSendSms({ mail }: Pick<PluginContext, "mail">): SendSms {
  return async (gateway, { phone, text }, options) => {
    if (!gateway) return { recipient: null, code: "gateway_unknown" };
    const number = phone.replace(TRUNK_PREFIX, "$1").replace(SEPARATORS, "");
    if (!PHONE.test(number) || phone.length > MAX_PHONE_CHARACTERS) {
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
    return { recipient, outcome: await mail.submit(serversOf(gateway), message, options) };
  };
}

/** Creates the capability `sms`. */
export function createSms({
  mail,
  gateways,
  sendSms,
}: Pick<PluginContext, "mail"> & {
  readonly gateways: GatewayStore;
  readonly sendSms: SendSms;
}): Sms {
  return {
    gateways: async () => (await gateways.list()).map(({ identifier }) => identifier),
    async send(name, message, options) {
      const gateway = await gateways.find(name || DEFAULT_GATEWAY);
      const sent = await sendSms(gateway, message, options);
      if (sent.recipient === null) {
        return { state: "failed", code: sent.code, outcome: "not-sent", detail: {} };
      }
      const { outcome } = sent;
      if (outcome.state !== "failed") return { state: outcome.state };
      const { code, outcome: result } = outcome.failure;
      return { state: "failed", code, outcome: result, detail: (await mail.diagnose(outcome)) ?? {} };
    },
  };
}

/** Returns the SMTP servers that a gateway names. */
export function serversOf({ smtpidentifier }: Pick<GatewayRow, "smtpidentifier">): readonly string[] {
  const names = smtpidentifier.split(",").map((name) => name.trim());
  const named = names.filter((name) => name !== "");
  return named.length > 0 ? named : [DEFAULT_SERVER];
}
