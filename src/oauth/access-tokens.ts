import { setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { orAborted } from "../async/abort.ts";
import { BoundedCache } from "../domain/cache.ts";
import { type Failure, notSent } from "../domain/delivery.ts";
import type { AccessTokens, TokenResult } from "../domain/oauth.ts";
import type { Secret } from "../domain/secret.ts";
import type { TokenSettings } from "./request-token.ts";
import type { TokenOutcome } from "./token-request.ts";
import { lifeOf, NOTHING_KNOWN, resultOf, type TokenState, withFailure, withToken } from "./token-state.ts";
import {
  type StoredGrant,
  type StoredTokens,
  TOKEN_LEASE_MS,
  type TokenRef,
  type TokenStore,
} from "./token-store.ts";

/** A definition that logs in with access tokens. */
export interface TokenSource {
  /** Name of the definition. May be empty for an unsaved one. */
  readonly identifier: string;
  /** ID and version; `null` for an unsaved definition. */
  readonly stored: { readonly id: string; readonly version: number } | null;
  readonly settings: TokenSettings;
}

/** {@link AccessTokens} of a definition with a refresh token, which expires without use. */
export interface DefinitionTokens extends AccessTokens {
  /** Uses the refresh token if its last use was before this time. Returns `null` if it was used since. */
  refreshIfUnused(before: Date): Promise<TokenResult | null>;
}

interface AccessTokensDeps {
  readonly store: TokenStore;
  readonly request: (settings: TokenSettings, source: TokenSource) => Promise<TokenOutcome>;
  /** Returns a keyed hash, from which no one can guess the text. */
  readonly mac: (text: string) => Promise<string>;
  readonly now: () => Date;
  /** Elapsed time in milliseconds, which no clock change affects. Default: `performance.now()`. */
  readonly nowMs?: () => number;
  /** Keeps the runtime from ending a token request with the work that needed it. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  /** Called after a request that failed for good, unless the definition is unsaved. */
  readonly onFailure: (source: TokenSource, failure: Failure) => Promise<void>;
}

interface Remembered {
  readonly state: TokenState;
  /** The moment when it was remembered, on both clocks. */
  readonly at: number;
  readonly atMs: number;
}

const MAX_REMEMBERED = 2_000;
/** Interval of the polls for the request of another caller, and of another process. */
const POLL_MS = 20;
const PROCESS_POLL_MS = 150;
const log = getLogger(["sealpost", "oauth"]);

/**
 * The access tokens of all definitions. Processes share tokens, failures and requests through the store, and callers share
 * them in memory. Callers poll, because a request on Workers cannot await another request's promise.
 */
export class TokenCache {
  readonly #deps: AccessTokensDeps;
  readonly #nowMs: () => number;
  readonly #remembered = new BoundedCache<Remembered>(MAX_REMEMBERED);
  /** Ends of the requests of this process, on the clock of `nowMs`. One that is over was cut off. */
  readonly #running = new Map<string, number>();

  constructor(deps: AccessTokensDeps) {
    this.#deps = deps;
    this.#nowMs = deps.nowMs ?? (() => performance.now());
  }

  /** Returns the tokens of a definition. */
  tokensOf(source: TokenSource): DefinitionTokens {
    // On Workers only the value may be shared between requests, not its promise.
    let known: TokenRef | null = null;
    const refOf = async (): Promise<TokenRef> => {
      known ??= await this.#refOf(source);
      return known;
    };
    const get: AccessTokens["get"] = async ({ signal, rejected = null }) =>
      this.#get(source, await refOf(), { signal, rejected });
    return {
      get,
      refreshIfUnused: async (before) => {
        const { grant } = await this.#deps.store.read(await refOf());
        if (grant?.usedAt && grant.usedAt >= before) return null;
        return get({ signal: new AbortController().signal });
      },
    };
  }

  async #get(
    source: TokenSource,
    ref: TokenRef,
    { signal, rejected }: { readonly signal: AbortSignal; readonly rejected: Secret | null },
  ): Promise<TokenResult> {
    for (;;) {
      signal.throwIfAborted();
      const known = this.#recall(ref.key, rejected);
      if (known !== null) return known;
      if (this.#isRunning(ref.key)) {
        await orAborted(setTimeout(POLL_MS), signal);
        continue;
      }
      let result: TokenResult | null = null;
      const request = this.#requestAlone(source, ref, rejected).then((value) => {
        result = value;
      });
      // If no one read the response of a request, a refresh token could be lost.
      this.#deps.keepAlive(request);
      await orAborted(request, signal);
      if (result !== null) return result;
    }
  }

  #recall(key: string, rejected: Secret | null): TokenResult | null {
    const found = this.#remembered.get(key);
    if (found === undefined) return null;
    // The later of both clocks, so that an old token does not look young after a clock jump.
    const now = Math.max(this.#deps.now().getTime(), found.at + this.#nowMs() - found.atMs);
    return resultOf(found.state, now, rejected);
  }

  #remember(key: string, state: TokenState): void {
    this.#remembered.set(key, { state, at: this.#deps.now().getTime(), atMs: this.#nowMs() });
  }

  #isRunning(key: string): boolean {
    const endsMs = this.#running.get(key);
    return endsMs !== undefined && endsMs > this.#nowMs();
  }

  /** Never rejects. @returns `null` if another process is requesting the token. */
  async #requestAlone(
    source: TokenSource,
    ref: TokenRef,
    rejected: Secret | null,
  ): Promise<TokenResult | null> {
    const endsMs = this.#nowMs() + TOKEN_LEASE_MS;
    this.#running.set(ref.key, endsMs);
    try {
      const result = await this.#request(source, ref, rejected);
      if (result === null) await setTimeout(PROCESS_POLL_MS);
      return result;
    } catch (error) {
      const { identifier } = source;
      log.error("Cannot store the access token of {identifier}: {error}", { identifier, error });
      const failure = notSent("oauth", "oauth_unavailable");
      const { state } = this.#remembered.get(ref.key) ?? { state: NOTHING_KNOWN };
      this.#remember(ref.key, withFailure(state, failure, this.#deps.now().getTime()));
      return { successful: false, failure };
    } finally {
      if (this.#running.get(ref.key) === endsMs) this.#running.delete(ref.key);
    }
  }

  async #request(source: TokenSource, ref: TokenRef, rejected: Secret | null): Promise<TokenResult | null> {
    const { store, now } = this.#deps;
    const stored = await store.read(ref);
    const startedAt = now().getTime();
    const known = resultOf(stored.state, startedAt, rejected);
    if (known !== null) {
      this.#remember(ref.key, stored.state);
      return known;
    }
    const lease = stored.isLeased ? null : await store.lease(ref, stored);
    if (lease === null) return null;
    const { outcome, used } = await this.#ask(source, ref, stored);
    if (outcome.successful) {
      const { accessToken, expiresInSeconds, refreshToken } = outcome.tokens;
      const token = { accessToken, obtainedAt: startedAt, lifeMs: lifeOf(expiresInSeconds) };
      const state = withToken(stored.state, token, rejected !== null);
      await store.settle(lease, state, used && { used, next: refreshToken });
      this.#remember(ref.key, state);
      return { successful: true, accessToken };
    }
    const { failure, refreshToken: next } = outcome;
    const state = withFailure(stored.state, failure, now().getTime());
    await store.settle(lease, state, next && used ? { used, next } : null);
    this.#remember(ref.key, state);
    if (!failure.retryable && source.stored !== null) await this.#deps.onFailure(source, failure);
    return resultOf(state, now().getTime(), rejected) ?? { successful: false, failure };
  }

  /**
   * Requests a token, with the refresh token that followed from the given one. If that is rejected and another process has
   * stored a newer one meanwhile, the newer one is used.
   */
  async #ask(
    source: TokenSource,
    ref: TokenRef,
    stored: StoredTokens,
  ): Promise<{ readonly outcome: TokenOutcome; readonly used: StoredGrant | null }> {
    const { request, store } = this.#deps;
    const { settings } = source;
    const ask = (grant: StoredGrant | null) =>
      request(grant?.refreshToken ? { ...settings, refreshToken: grant.refreshToken } : settings, source);
    const { grant: used } = stored;
    const outcome = await ask(used);
    if (outcome.successful || used === null || outcome.failure.code !== "oauth_grant")
      return { outcome, used };
    const { grant: current } = await store.read(ref);
    if (current === null || current.version === used.version) return { outcome, used };
    return { outcome: await ask(current), used: current };
  }

  async #refOf({ stored, settings }: TokenSource): Promise<TokenRef> {
    const { flow, tokenUrl, clientId, scope, username, certificate } = settings;
    const refreshToken = settings.refreshToken.reveal();
    const secrets = [settings.clientSecret, settings.privateKey, settings.serviceAccount];
    const key = await this.#macOf("access token", [
      stored?.id ?? "",
      String(stored?.version ?? ""),
      flow,
      tokenUrl,
      clientId,
      scope,
      username,
      certificate,
      refreshToken,
      ...secrets.map((secret) => secret.reveal()),
    ]);
    const isRefreshed = flow === "refresh_token" && refreshToken !== "";
    const grantKey = isRefreshed ? await this.#macOf("grant", [tokenUrl, clientId, refreshToken]) : null;
    return { key, definitionId: stored?.id ?? "", grantKey };
  }

  /** Lengths keep the parts apart; joined texts could be ambiguous. */
  #macOf(purpose: string, parts: readonly string[]): Promise<string> {
    return this.#deps.mac([purpose, ...parts].map((part) => `${part.length}:${part}`).join(""));
  }
}
