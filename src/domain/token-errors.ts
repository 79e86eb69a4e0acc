import type { FailureCode, OAuthReport, Remedy } from "./delivery.ts";
import type { HintCode, HintValues } from "./hints/index.ts";

/** A known error of a token endpoint. An absent condition matches every report. */
export interface KnownTokenError {
  /** The error as its documentation has it. Rows of a provider with a hint have one. */
  readonly sign?: string;
  /** Numbers of the Microsoft identity platform: 65001 is `AADSTS65001`. */
  readonly aadsts?: readonly number[];
  /** Values of `error` (RFC 6749 5.2, RFC 8628 3.5, OpenID Connect Core 3.1.2.6). */
  readonly errors?: readonly string[];
  /** Matches the description. */
  readonly words?: RegExp;
  readonly code: FailureCode;
  /** If absent, the hint of the failure code is used. */
  readonly hint?: HintCode | ((report: OAuthReport) => HintCode | readonly HintCode[]);
  readonly remedy?: Remedy;
}

/** The hints for an assertion that is expired or not valid yet. */
export function clockHints({ clockSkewSeconds }: OAuthReport): readonly HintCode[] {
  return ["assertion_time", clockSkewSeconds === null ? "clock_check" : clockHint(clockSkewSeconds)];
}

/** Returns the hint about the clock. @param skewSeconds clock of the endpoint minus ours. */
export function clockHint(skewSeconds: number): HintCode {
  if (skewSeconds === 0) return "clock_agrees";
  return skewSeconds > 0 ? "clock_behind" : "clock_ahead";
}

/** Returns the values that hints about a token request may name. */
export function tokenHintValues({ clientId, thumbprint, clockSkewSeconds }: OAuthReport): HintValues {
  return {
    ...(clientId && { client_id: clientId }),
    ...(thumbprint && { thumbprint }),
    seconds: Math.abs(clockSkewSeconds ?? 0),
  };
}
