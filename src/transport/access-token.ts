import { notSent } from "../domain/delivery.ts";
import type { AccessTokens } from "../domain/oauth.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./smtp/delivery-timer.ts";

type TokenResult = Awaited<ReturnType<AccessTokens["get"]>>;

/**
 * Gets an access token in phase `oauth` of a delivery. Transports call it before they dial a server, which would not wait
 * for the token.
 * @returns the token, or a failure. A token endpoint that takes too long is `oauth_unavailable`.
 * @throws the caller's reason if the timer stops for it.
 */
export async function getAccessToken(tokens: AccessTokens, timer: DeliveryTimer): Promise<TokenResult> {
  timer.enter("oauth");
  try {
    return await tokens.get({ signal: timer.toSignal() });
  } catch (error) {
    if (!(timer.stopped?.reason instanceof DeliveryTimeout)) throw error;
    return { successful: false, failure: notSent("oauth", "oauth_unavailable") };
  }
}
