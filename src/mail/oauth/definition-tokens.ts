import type { Database } from "../../contracts/database.ts";
import type { HttpClient } from "../../contracts/http-client.ts";
import type { Platform } from "../../contracts/platform.ts";
import { parseEndpoint } from "../../domain/endpoint.ts";
import type { Secret } from "../../domain/secret.ts";
import type { SecretName, ServerDefinition } from "../../domain/smtp-server.ts";
import { tokenEndpointOf } from "../../domain/token-endpoint.ts";
import { type DefinitionTokens, TokenCache, type TokenSource } from "../../oauth/access-tokens.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { OAuthTokenRepository } from "../../storage/oauth-tokens.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import { type Meter, UNSAVED } from "../../telemetry/meter.ts";
import type { Notify } from "../events.ts";
import { CLIENT_PAIR } from "./client-pair.ts";
import { createReportTokenFailure } from "./report-failure.ts";
import { createTokenStore } from "./token-store.ts";

/** A definition that logs in with access tokens, stored or not. */
interface TokenDefinition {
  readonly identifier: string;
  /** `null` for an unsaved definition. */
  readonly stored: TokenSource["stored"];
  readonly fields: Omit<ServerDefinition, SecretName>;
  /** Returns a secret of the definition, decrypted. Empty if it is not set. */
  readonly read: (name: SecretName) => Promise<Secret>;
}

export type TokensFor = (definition: TokenDefinition) => Promise<DefinitionTokens>;

interface TokensForDeps {
  readonly database: Database;
  readonly repository: OAuthTokenRepository;
  readonly keyring: Keyring;
  readonly http: HttpClient;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  readonly notify: Notify;
  readonly mac: (text: string) => Promise<string>;
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly platform: Platform;
  readonly meter: Meter;
}

/** Creates the access tokens of definitions from their fields. All of an instance share one cache. */
export function createTokensFor(deps: TokensForDeps): TokensFor {
  const { http, platform, mac, keepAlive, meter } = deps;
  const cache = new TokenCache({
    store: createTokenStore(deps),
    async request(settings, { identifier, stored }) {
      // Only definitions that use OAuth pay for its library.
      const { requestToken } = await import("../../oauth/request-token.ts");
      const outcome = await requestToken(settings, { http, platform, ...CLIENT_PAIR });
      meter.count("sealpost_oauth_token_requests_total", {
        server: stored === null ? UNSAVED : identifier,
        result: outcome.successful ? "ok" : outcome.failure.code,
      });
      return outcome;
    },
    mac,
    now: () => platform.now(),
    keepAlive,
    onFailure: createReportTokenFailure(deps),
  });
  return async ({ identifier, stored, fields, read }) => {
    const endpoint = parseEndpoint(fields);
    const serviceAccount = await read("oauthServiceAccount");
    const { url, scope } = tokenEndpointOf({
      ...fields,
      oauthServiceAccount: serviceAccount.reveal(),
      graphTenant: endpoint?.protocol === "graph" ? endpoint.host : null,
    });
    const settings = {
      flow: fields.oauthFlow,
      tokenUrl: url,
      scope,
      username: fields.username,
      clientId: fields.oauthClientId,
      clientSecret: await read("oauthClientSecret"),
      privateKey: await read("oauthPrivateKey"),
      certificate: fields.oauthCertificate,
      serviceAccount,
      refreshToken: await read("oauthRefreshToken"),
    };
    return cache.tokensOf({ identifier, stored, settings });
  };
}
