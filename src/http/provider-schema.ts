import * as v from "valibot";
import type { OAuthReport } from "../domain/delivery.ts";
import type { HintCode, HintValues } from "../domain/hints/index.ts";
import type { KnownReply } from "../domain/known-reply.ts";
import {
  expectedUsername,
  type OAuthPreset,
  type Provider,
  preferredPort,
  serverText,
  type UsernameRule,
} from "../domain/providers/provider.ts";
import type { KnownTokenError } from "../domain/token-errors.ts";
import { remedyView } from "../wire/delivery.ts";
import { described, named } from "../wire/schemas.ts";

const SECURITIES = ["implicit", "starttls", "none"] as const;
/** A hint may name facts of a report. Here there are none. */
const NO_REPORT: OAuthReport = {
  host: "",
  status: null,
  error: null,
  codes: [],
  description: null,
  traceId: null,
  correlationId: null,
  clockSkewSeconds: null,
};
const nullableText = v.nullable(v.string());

/** A preset as `GET /provider/` shows it. */
export const providerView = named(
  "Provider",
  v.object({
    id: described(v.string(), "Value of `provider` in a definition"),
    name: v.string(),
    server: described(nullableText, "Value that fills `server`. `null` if you have to choose a host"),
    host: described(nullableText, "`null` if it depends on the region or on your domain"),
    host_form: described(nullableText, "Form of the hosts, with the part that you know in braces"),
    regions: described(v.record(v.string(), v.string()), "Hosts by region or stream"),
    port: v.number(),
    tls: described(
      v.picklist(SECURITIES),
      "`implicit`: TLS from the first byte. `none`: only for catchers on the same machine",
    ),
    ports: described(v.record(v.string(), v.number()), "Port by kind of TLS, the preferred one first"),
    username: v.object({
      rule: described(
        v.picklist(["literal", "mailbox", "free"]),
        "`literal`: the text of `value`. `mailbox`: an email address",
      ),
      value: described(nullableText, "The literal text. Empty if the server has no login"),
      expected: v.string(),
    }),
    secret: v.object({
      kind: v.picklist(["password", "app-password", "api-key", "oauth2", "none"]),
      pattern: described(nullableText, "Regular expression that matches every valid secret"),
      expected: nullableText,
    }),
    limits: v.object({
      max_connections: v.optional(v.number()),
      mails_per_minute: v.optional(v.number()),
      recipients_per_day: v.optional(v.number()),
      recipients_per_message: v.optional(v.number()),
      message_size: described(v.optional(v.number()), "Octets"),
    }),
    oauth: described(
      v.nullable(
        v.object({
          authorization_url: v.string(),
          token_url: described(v.string(), "May contain `{tenant}`"),
          device_url: nullableText,
          scopes: described(v.record(v.string(), v.string()), "Scopes by value of `oauth_flow`"),
          mechanism: v.picklist(["xoauth2", "oauthbearer"]),
        }),
      ),
      "`null` if the provider has no OAuth for SMTP, or none for new applications",
    ),
    errors: described(
      v.array(
        v.object({
          sign: described(v.string(), "What the provider replies, or the part that matters"),
          hint: v.string(),
          remedy: v.nullable(remedyView),
        }),
      ),
      "Known errors, with what to change",
    ),
    docs: described(v.string(), "Page of the provider"),
    checked: described(v.string(), "Date on which the preset was compared with public pages"),
  }),
);
type ProviderView = v.InferOutput<typeof providerView>;

/** Returns the text of a hint. */
export type TextOf = (code: HintCode, values?: HintValues) => string;

export function toProviderView(id: string, provider: Provider, textOf: TextOf): ProviderView {
  const { host, limits = {}, replies = [], tokenErrors = [] } = provider;
  const { port, security } = preferredPort(provider);
  const { kind, pattern, expected = null } = provider.secret;
  return {
    id,
    name: provider.name,
    server: host === null ? null : serverText({ host, port, security }),
    host,
    host_form: provider.hostForm ?? null,
    regions: { ...provider.regions },
    port,
    tls: security,
    ports: { ...provider.ports },
    username: usernameView(provider.username),
    secret: { kind, pattern: pattern?.source ?? null, expected },
    limits: {
      max_connections: limits.maxConnections,
      mails_per_minute: limits.mailsPerMinute,
      recipients_per_day: limits.recipientsPerDay,
      recipients_per_message: limits.recipientsPerMessage,
      message_size: limits.messageSize,
    },
    oauth: provider.oauth ? oauthView(provider.oauth) : null,
    errors: [...replies, ...tokenErrors].flatMap((row) => errorView(row, textOf)),
    docs: provider.docs,
    checked: provider.checked,
  };
}

function usernameView(username: UsernameRule): ProviderView["username"] {
  return {
    rule: username.rule,
    value: username.rule === "literal" ? username.value : null,
    expected: expectedUsername(username),
  };
}

function oauthView({ authorizationUrl, tokenUrl, deviceUrl, scopes, mechanism }: OAuthPreset) {
  return {
    authorization_url: authorizationUrl,
    token_url: tokenUrl,
    device_url: deviceUrl ?? null,
    scopes: { ...scopes },
    mechanism,
  };
}

/** A row without a hint only chooses a code. */
function errorView({ sign, hint: given, remedy, ...row }: KnownReply | KnownTokenError, textOf: TextOf) {
  const known = typeof given === "function" ? given(NO_REPORT) : given;
  if (sign === undefined || known === undefined) return [];
  const codes = typeof known === "string" ? [known] : known;
  const values = "hintValues" in row ? row.hintValues : {};
  const hint = codes.map((code) => textOf(code, values)).join(" ");
  return [{ sign, hint, remedy: remedy ?? null }];
}
