import { unknownValue } from "../../domain/delivery.ts";
import { type HintContext, type HintRule, hasReply } from "./rule.ts";

const isGraph = ({ protocol }: HintContext): boolean => protocol === "graph";

/** Hints for definitions that send by a mail API: without ports, and without the meaning of reply codes. The first match wins. */
export const API_HINTS: readonly HintRule[] = [
  {
    code: "protocol",
    when: hasReply,
    hint: "The response is not one of the API. Check api_url.",
    remedy: unknownValue("api_url"),
  },
  {
    outcome: "unknown",
    when: isGraph,
    hint: "Microsoft Graph did not respond to the message and may have accepted it. Look into Sent Items of the mailbox before you send again.",
  },
  {
    outcome: "unknown",
    hint: "The API did not respond to the message and may have accepted it. Check its log before you send again.",
  },
  {
    code: "dns_not_found",
    hint: "No IP address is known for the host of the API. Check api_url, and the tenant or region in server.",
  },
  {
    code: "unreachable",
    phase: "dns",
    hint: "The IP address of the API cannot be looked up at the moment. Check the name server that this machine uses.",
  },
  { code: "refused", when: hasReply, hint: "The API is not available at the moment. Try again later." },
  {
    code: "refused",
    hint: "Nothing is listening at the address of the API. Check api_url and the firewall.",
  },
  {
    code: "unreachable",
    hint: "The API cannot be reached. Check api_url, the network of this machine and the firewall.",
  },
  {
    code: "timeout",
    hint: "The API was too slow. Set timeout to a higher value, or check api_url.",
    remedy: unknownValue("timeout"),
  },
  {
    code: "protocol",
    hint: "The service at this address does not follow HTTPS. Check api_url.",
    remedy: unknownValue("api_url"),
  },
  { code: "closed", hint: "The API closed the connection before it responded. Try again later." },
  {
    code: "cert_name",
    hint: "The certificate is not valid for the host of the API. Set api_url to a name that it covers.",
    remedy: unknownValue("api_url"),
  },
  {
    code: "auth_rejected",
    when: isGraph,
    hint: "Microsoft Graph rejected the access token. Check oauth_scope, the tenant and the app.",
  },
  {
    code: "auth_rejected",
    hint: "The API rejected the login. Set username to an access key ID, and password to its secret access key.",
    remedy: unknownValue("password"),
  },
  {
    code: "sender_rejected",
    hint: "The API rejected the sender. Use an address that this account may send from.",
    remedy: unknownValue("sender"),
  },
  {
    code: "recipient_rejected",
    hint: "The API rejected this recipient. Check the address.",
    remedy: unknownValue("recipient"),
  },
  { code: "content_rejected", hint: "The API rejected the message. Its reply has the reason." },
  {
    code: "too_large",
    when: isGraph,
    hint: "The message is larger than Microsoft Graph accepts, which is about 3 MB. Send a smaller one, or send through smtp.office365.com.",
  },
  {
    code: "too_large",
    hint: "The message is larger than the API accepts. Send a smaller one, for example without attachments.",
  },
  {
    code: "rate_limited",
    hint: "The account has reached a limit of the API. Wait until it resets, or set mails_per_minute and max_connections to lower values.",
  },
];
