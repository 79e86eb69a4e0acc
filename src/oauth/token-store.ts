import type { Secret } from "../domain/secret.ts";
import type { TokenState } from "./token-state.ts";

/** Names the tokens of one definition, and where they are stored. */
export interface TokenRef {
  /** Differs as soon as anything differs of which the token is made. */
  readonly key: string;
  /** ID of the definition. Empty for an unsaved one. */
  readonly definitionId: string;
  /** Names the refresh tokens that have followed from the given one; `null` for other flows. */
  readonly grantKey: string | null;
}

/** The refresh token that followed from the given one, and its use. */
export interface StoredGrant {
  /** `null`: still the given one. */
  readonly refreshToken: Secret | null;
  /** 0 before the first use. */
  readonly version: number;
  /** When it was used last; `null` if never. */
  readonly usedAt: Date | null;
}

/** The tokens of a definition, as all processes see them. */
export interface StoredTokens {
  readonly state: TokenState;
  /** 0 before the first request. */
  readonly version: number;
  /** Whether a process is requesting a token. */
  readonly isLeased: boolean;
  /** `null` unless the flow uses refresh tokens. */
  readonly grant: StoredGrant | null;
}

/** The right to request a token, which no other process has. */
interface TokenLease extends TokenRef {
  readonly token: string;
}

/** A change of the refresh token by its use. */
interface GrantUse {
  /** The grant that was used. */
  readonly used: StoredGrant;
  /** The refresh token that replaces it; `null` if it stays valid. */
  readonly next: Secret | null;
}

/** Tokens of all processes of a database. Rejects if the database is unavailable. */
export interface TokenStore {
  read(ref: TokenRef): Promise<StoredTokens>;
  /** Leases the request to this process. Returns `null` if the tokens have changed since they were read. */
  lease(ref: TokenRef, seen: StoredTokens): Promise<TokenLease | null>;
  /** Stores the result of a request in one commit, and ends the lease. */
  settle(lease: TokenLease, state: TokenState, grant: GrantUse | null): Promise<void>;
}

/** Time after which the lease of a process that died ends, in milliseconds. A request takes at most ten seconds. */
export const TOKEN_LEASE_MS = 14_000;
