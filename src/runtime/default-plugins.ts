import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import type { Plugin } from "../contracts/plugin.ts";

/** What the server has on by itself, each with its default options. */
export const STANDARD_PLUGINS: readonly Plugin[] = [
  directory(),
  smsGateway(),
  emailToken(),
  events(),
  recovery(),
  registration(),
];
