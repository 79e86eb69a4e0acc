import type { Database } from "../../../src/contracts/database.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { createTokenStore } from "../../../src/mail/oauth/token-store.ts";
import { type DefinitionTokens, TokenCache, type TokenSource } from "../../../src/oauth/access-tokens.ts";
import type { TokenSettings } from "../../../src/oauth/request-token.ts";
import type { TokenOutcome } from "../../../src/oauth/token-request.ts";
import { parseKeyring } from "../../../src/secrets/keyring.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../../src/storage/migrations/index.ts";
import { createOAuthTokenRepository } from "../../../src/storage/oauth-tokens.ts";
import { KEYS, START } from "../../fixtures/instance.ts";
import { settingsFor } from "../../oauth/support.ts";
import { openTest, randomBytes } from "../../storage/fixtures/database.ts";

/** The two clocks of a process. */
export interface TestClocks {
  /** Wall clock. */
  now: number;
  /** Elapsed time. */
  ms: number;
  advance(seconds: number): void;
}

export function createClocks(): TestClocks {
  return {
    now: START.getTime(),
    ms: 0,
    advance(seconds) {
      this.now += seconds * 1_000;
      this.ms += seconds * 1_000;
    },
  };
}

/** Returns the outcome of a request that got this token. */
export function issued(
  accessToken: string,
  own: { readonly expiresInSeconds?: number | null; readonly refreshToken?: string } = {},
): TokenOutcome {
  const { expiresInSeconds = 3_600, refreshToken } = own;
  const next = refreshToken === undefined ? null : new Secret(refreshToken);
  return {
    successful: true,
    tokens: { accessToken: new Secret(accessToken), expiresInSeconds, refreshToken: next, idToken: null },
  };
}

/** A database that caches of several processes share. */
export async function tokenDatabase() {
  const clocks = createClocks();
  const platform = { now: () => new Date(clocks.now), randomBytes };
  const database = openTest();
  await migrate(database, MIGRATIONS, platform);
  const repository = createOAuthTokenRepository(database);
  const failures: string[] = [];

  /** A process: its cache starts empty. Each request has its number, and the refresh token that it was sent with. */
  function startProcess(
    request: (settings: TokenSettings, count: number) => TokenOutcome | Promise<TokenOutcome>,
    own: { readonly nowMs?: () => number; readonly database?: Pick<Database, "commit"> } = {},
  ) {
    const requests: TokenSettings[] = [];
    const work: Promise<unknown>[] = [];
    const requested = Promise.withResolvers<void>();
    const waiting: (() => void)[] = [];
    const keyring = parseKeyring(KEYS);
    const store = createTokenStore({ database: own.database ?? database, repository, keyring, platform });
    const cache = new TokenCache({
      store: {
        ...store,
        read(ref) {
          for (const call of waiting.splice(0)) call();
          return store.read(ref);
        },
      },
      async request(settings) {
        requests.push(settings);
        requested.resolve();
        return request(settings, requests.length);
      },
      mac: async (text) => Bun.hash(text).toString(16),
      now: platform.now,
      nowMs: own.nowMs ?? (() => clocks.ms),
      keepAlive: (promise) => void work.push(promise),
      onFailure: async ({ identifier }, { code }) => void failures.push(`${identifier} ${code}`),
    });
    return {
      requests,
      /** Resolves when the first request was sent. */
      requested: requested.promise,
      /** Resolves when the cache reads the database next. */
      nextRead: () => new Promise<void>((resolve) => waiting.push(resolve)),
      settled: () => Promise.all(work),
      tokens: (
        settings: Partial<TokenSettings> = {},
        stored: TokenSource["stored"] = { id: "a", version: 1 },
      ) =>
        cache.tokensOf({
          identifier: "main",
          stored,
          settings: settingsFor("https://token.test/", settings),
        }),
    };
  }

  return {
    clocks,
    database,
    repository,
    failures,
    startProcess,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** Gets a token, as text; of a failure, its code. */
export async function get(tokens: DefinitionTokens, rejected: string | null = null): Promise<string> {
  const { signal } = new AbortController();
  const result = await tokens.get({ signal, rejected: rejected === null ? null : new Secret(rejected) });
  return result.successful ? result.accessToken.reveal() : result.failure.code;
}
