import * as oauth from "oauth4webapi";
import type { Failure } from "../domain/delivery.ts";
import { Secret } from "../domain/secret.ts";
import { Exchange } from "./exchange.ts";
import { tokenFailure } from "./failures.ts";
import {
  sendTokenRequest,
  type TokenClient,
  type TokenOutcome,
  type TokenRequestDeps,
} from "./token-request.ts";

/** A device authorization request (RFC 8628 3.1). */
interface DeviceRequest {
  /** URL of the device authorization endpoint. */
  readonly url: string;
  readonly clientId: string;
  readonly scope: string;
}

/** The codes that an endpoint issued (RFC 8628 3.2). */
export interface DeviceCodes {
  readonly deviceCode: Secret;
  /** The code to enter at `verificationUri`. */
  readonly userCode: string;
  readonly verificationUri: string;
  readonly expiresInSeconds: number;
  /** Pause between two polls. */
  readonly intervalSeconds: number;
}

type DeviceOutcome =
  | { readonly successful: true; readonly codes: DeviceCodes }
  | { readonly successful: false; readonly failure: Failure };

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const TOTAL_MS = 10_000;
/** RFC 8628 3.2: the interval of an endpoint that names none. RFC 8628 3.5: the step of `slow_down`. */
const DEFAULT_INTERVAL_SECONDS = 5;
const MIN_INTERVAL_SECONDS = 1;
/** Longer than any provider gives. A timer cannot wait for as long as an endpoint may name. */
const MAX_LIFE_SECONDS = 3_600;
const SLOWER_BY_SECONDS = 5;

/**
 * Asks for the codes of a sign-in on another device. Failures are in the result; nothing is thrown. The request has no
 * client secret: a definition's secrets are bound to its token endpoint.
 */
export async function requestDeviceCodes(
  { url, clientId, scope }: DeviceRequest,
  { http, platform }: TokenRequestDeps,
): Promise<DeviceOutcome> {
  const signal = AbortSignal.timeout(TOTAL_MS);
  const exchange = new Exchange({ http, signal, now: () => platform.now() });
  const server = { issuer: url, device_authorization_endpoint: url };
  const client = { client_id: clientId };
  try {
    const response = await oauth.deviceAuthorizationRequest(
      server,
      client,
      oauth.None(),
      { scope },
      {
        headers: { "user-agent": "Sealpost" },
        [oauth.customFetch]: (target: string, init) => exchange.fetch(target, init),
        // The HTTP client allows it on loopback only.
        [oauth.allowInsecureRequests]: true,
      },
    );
    const codes = await oauth.processDeviceAuthorizationResponse(server, client, response);
    const interval = exchange.seconds("interval") ?? DEFAULT_INTERVAL_SECONDS;
    const expiresInSeconds = Math.min(codes.expires_in, MAX_LIFE_SECONDS);
    return {
      successful: true,
      codes: {
        deviceCode: new Secret(codes.device_code),
        userCode: codes.user_code,
        verificationUri: codes.verification_uri,
        expiresInSeconds,
        intervalSeconds: Math.max(MIN_INTERVAL_SECONDS, Math.min(interval, expiresInSeconds)),
      },
    };
  } catch (error) {
    return { successful: false, failure: tokenFailure(error, { url, exchange, clientId }) };
  }
}

/**
 * Polls until the user has decided (RFC 8628 3.4, 3.5). Failures are in the result, also that the codes have expired.
 * @param wait resolves after this time, in milliseconds; rejects to end the polling.
 * @throws the reason of `wait`.
 */
export async function pollDeviceToken(
  client: TokenClient,
  { deviceCode, expiresInSeconds, intervalSeconds }: DeviceCodes,
  { wait, ...deps }: TokenRequestDeps & { readonly wait: (ms: number) => Promise<void> },
): Promise<TokenOutcome> {
  const grant = { type: DEVICE_CODE, fields: { device_code: deviceCode.reveal() } };
  const endsAt = deps.platform.now().getTime() + expiresInSeconds * 1_000;
  let pauseSeconds = intervalSeconds;
  for (;;) {
    await wait(pauseSeconds * 1_000);
    const outcome = await sendTokenRequest(client, grant, deps);
    if (outcome.successful || deps.platform.now().getTime() >= endsAt) return outcome;
    const { failure } = outcome;
    const error = failure.oauth?.error;
    // RFC 8628 3.5: after a connection that timed out, poll less often.
    if (error === "slow_down" || isWithoutResponse(failure)) pauseSeconds += SLOWER_BY_SECONDS;
    else if (error !== "authorization_pending") return outcome;
  }
}

function isWithoutResponse({ code, oauth: report }: Failure): boolean {
  return code === "oauth_unavailable" && report?.error === null;
}
