import { DurableObject } from "cloudflare:workers";
import { onAbort } from "../../async/abort.ts";
import type { AccessTokens, TokenResult } from "../../domain/oauth.ts";
import { Secret } from "../../domain/secret.ts";
import { createConnectByName } from "../../transport/connect-by-name.ts";
import { DeliveryTimeout } from "../../transport/smtp/delivery-timer.ts";
import { createSmtpTransport } from "../../transport/smtp/index.ts";
import { PLATFORM as platform } from "../platform.ts";
import { type Bindings, parseBindings } from "./bindings.ts";
import type { DeliveryObject, ObjectDelivery, ObjectResult } from "./deliver-in-object.ts";
import { ehloNameOf } from "./drivers.ts";
import { OBJECT_POOL } from "./object-transport.ts";
import { MESSAGE_TIMEOUT_MS } from "./transport.ts";

/** Sends the messages of one definition for a Worker over a libSQL server, and keeps its connections. It stores nothing. */
export class DeliveringObject extends DurableObject implements DeliveryObject {
  readonly #transport;
  readonly #aborts = new Map<string, AbortController>();

  constructor(ctx: DurableObject["ctx"], bindings: Bindings) {
    super(ctx, bindings);
    const config = parseBindings(bindings);
    this.#transport = createSmtpTransport({
      connect: createConnectByName({ egress: config.egress, ports: config.egressPorts }),
      ehloName: ehloNameOf(config),
      now: platform.now,
      pool: OBJECT_POOL,
      // The request that waits for the outcome has no more time.
      totalTimeoutMs: MESSAGE_TIMEOUT_MS,
      hidesTlsErrors: true,
    });
  }

  async deliver({ id, password, getToken, server, ...order }: ObjectDelivery): Promise<ObjectResult> {
    const { finalReplyTimeoutMs, ...delivery } = order;
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    const tokens = getToken && tokensOf(getToken);
    const resolved = { ...server, password: new Secret(password), tokens };
    try {
      const { signal } = abort;
      const receipt = await this.#transport.send(
        { ...delivery, server: resolved },
        { signal, finalReplyTimeoutMs },
      );
      return { receipt };
    } catch (error) {
      return abort.signal.aborted ? { isAborted: true } : { error: String(error) };
    } finally {
      this.#aborts.delete(id);
    }
  }

  async abort(id: string, reason?: "timeout"): Promise<void> {
    this.#aborts.get(id)?.abort(reason && new DeliveryTimeout("The caller's time is over"));
  }
}

function tokensOf(getToken: NonNullable<ObjectDelivery["getToken"]>): AccessTokens {
  const get = async (): Promise<TokenResult> => {
    const token = await getToken();
    return "text" in token
      ? { successful: true, accessToken: new Secret(token.text) }
      : { successful: false, failure: token.failure };
  };
  return {
    get: ({ signal }) =>
      new Promise((resolve, reject) => {
        onAbort(signal, () => reject(signal.reason));
        get().then(resolve, reject);
      }),
  };
}
