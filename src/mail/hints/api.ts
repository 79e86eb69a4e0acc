import { unknownValue } from "../../domain/delivery.ts";
import { type HintContext, type HintRule, hasReply } from "./rule.ts";

const isGraph = ({ protocol }: HintContext): boolean => protocol === "graph";

/** Hints for definitions that send by a mail API: without ports, and without the meaning of reply codes. The first match wins. */
export const API_HINTS: readonly HintRule[] = [
  {
    code: "protocol",
    when: hasReply,
    hint: "not_the_api",
    remedy: unknownValue("api_url"),
  },
  {
    outcome: "unknown",
    when: isGraph,
    hint: "graph_no_response",
  },
  {
    outcome: "unknown",
    hint: "api_no_response",
  },
  {
    code: "dns_not_found",
    hint: "api_name_unknown",
  },
  {
    code: "unreachable",
    phase: "dns",
    hint: "api_lookup_failed",
  },
  { code: "refused", when: hasReply, hint: "api_unavailable" },
  {
    code: "refused",
    hint: "api_port_closed",
  },
  {
    code: "unreachable",
    hint: "api_unreachable",
  },
  {
    code: "timeout",
    hint: "api_slow",
    remedy: unknownValue("timeout"),
  },
  {
    code: "protocol",
    hint: "not_https",
    remedy: unknownValue("api_url"),
  },
  { code: "closed", hint: "api_closed" },
  {
    code: "cert_name",
    hint: "api_certificate_name",
    remedy: unknownValue("api_url"),
  },
  {
    code: "auth_rejected",
    when: isGraph,
    hint: "graph_token_rejected",
  },
  {
    code: "auth_rejected",
    hint: "api_login_rejected",
    remedy: unknownValue("password"),
  },
  {
    code: "sender_rejected",
    hint: "api_sender_rejected",
    remedy: unknownValue("sender"),
  },
  {
    code: "recipient_rejected",
    hint: "api_recipient_rejected",
    remedy: unknownValue("recipient"),
  },
  { code: "content_rejected", hint: "api_content_rejected" },
  {
    code: "too_large",
    when: isGraph,
    hint: "graph_too_large",
  },
  {
    code: "too_large",
    hint: "api_too_large",
  },
  {
    code: "rate_limited",
    hint: "api_limit",
  },
];
