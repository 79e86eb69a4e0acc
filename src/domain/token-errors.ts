import type { FailureCode, OAuthReport, Remedy } from "./delivery.ts";

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
  /** One or two sentences. If absent, the hint of the code is used. */
  readonly hint?: string | ((report: OAuthReport) => string);
  readonly remedy?: Remedy;
}

/** The hint for an assertion that is expired or not valid yet. */
export function clockHint({ clockSkewSeconds }: OAuthReport): string {
  return clockSkewSeconds === null
    ? "The assertion is outside its time. Check the clock of this machine."
    : `The assertion is outside its time. ${clockText(clockSkewSeconds)}`;
}

/** Returns a sentence about the clock. @param skewSeconds clock of the endpoint minus ours. */
export function clockText(skewSeconds: number): string {
  if (skewSeconds === 0) return "The clock of this machine agrees with that of the token endpoint.";
  const direction = skewSeconds > 0 ? "behind" : "ahead of";
  return `The clock of this machine is ${Math.abs(skewSeconds)} s ${direction} that of the token endpoint.`;
}
