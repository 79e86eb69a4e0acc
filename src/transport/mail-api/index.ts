import type { Delivery, JointDelivery, SendOptions } from "../../contracts/transport.ts";
import type { Receipt } from "../../domain/delivery.ts";
import { DEFINITION_DEFAULTS } from "../../domain/smtp-server.ts";
import { DeliveryTimer } from "../smtp/delivery-timer.ts";
import { receiptOf, type SmtpTransportOptions, timeLimits } from "../smtp/index.ts";
import { validateCheck, validateDelivery } from "../smtp/validate-delivery.ts";
import type { ApiDriver } from "./driver.ts";
import { type ApiDeps, ApiRun } from "./run.ts";
import { RequestSlots } from "./slots.ts";

export type MailApiOptions = ApiDeps & Pick<SmtpTransportOptions, "totalTimeoutMs" | "endsMs">;

/** Sends or checks by one mail API. The receipt is that of every recipient. */
export type SendByApi = (delivery: JointDelivery, options: SendOptions) => Promise<Receipt>;

/** Creates the function that sends by a mail API. It keeps to `maxConnections` of each definition. */
export function createSendByApi(driver: ApiDriver, options: MailApiOptions): SendByApi {
  const slots = new RequestSlots();
  return async (delivery, sendOptions) => {
    const { server, poolKey, recipients } = delivery;
    const { signal, until, mayTransact = () => true, onStarted } = sendOptions;
    for (const recipient of recipients) validate({ ...delivery, recipient }, sendOptions);
    signal.throwIfAborted();
    using timer = new DeliveryTimer(timeLimits(server, options, sendOptions), signal);
    const run = new ApiRun(driver, options, timer, mayTransact);
    const work = () => {
      onStarted?.();
      return until === undefined ? run.deliver(delivery) : run.check(server, until);
    };
    const { maxConnections = DEFINITION_DEFAULTS.maxConnections } = server;
    // An unsaved definition shares nothing.
    const result = await (poolKey === null ? work() : slots.run(poolKey, maxConnections, timer, work));
    return receiptOf(result, run, timer, until ?? null);
  };
}

function validate(delivery: Delivery, { until }: SendOptions): void {
  if (until === undefined) validateDelivery(delivery);
  else validateCheck(delivery);
}
