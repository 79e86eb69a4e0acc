import { HttpError, retryAfterMs } from "../../contracts/http-client.ts";
import { ConnectError } from "../../contracts/transport.ts";
import { apiFailure } from "../../domain/api-replies.ts";
import { type Failure, notSent, type Phase, type SmtpReply, unknownOutcome } from "../../domain/delivery.ts";
import type { MailApi } from "../../domain/smtp-server.ts";
import { DeliveryTimeout, type DeliveryTimer } from "../smtp/delivery-timer.ts";

/** A gateway did not get the response of the API: RFC 9110 15.6.5, and the statuses of Cloudflare for it. */
const LOST_RESPONSES: readonly number[] = [504, 520, 524];

export function isAccepted(status: number): boolean {
  return status >= 200 && status < 300;
}

/** Returns the failure for a response that does not accept the message. @param reply `code` is its status. */
export function rejectionOf(
  api: MailApi,
  reply: SmtpReply,
  { headers, now }: { readonly headers: Headers; readonly now: Date },
): Failure {
  if (LOST_RESPONSES.includes(reply.code)) return { ...unknownOutcome("timeout"), reply, isHttp: true };
  if (isAccepted(reply.code)) return { ...unknownOutcome("protocol"), reply, isHttp: true };
  const { phase, code } = apiFailure(api, reply);
  const delayMs = retryAfterMs(headers, now.getTime());
  // The status is no reply code, so the failure code alone decides whether the message may be sent again.
  return {
    ...notSent(phase, code),
    reply,
    isHttp: true,
    ...(delayMs !== null && { retryAfterMs: delayMs }),
  };
}

/**
 * Returns the failure for a request without a complete response.
 * @param phase of the request: `data` if it carries the message, so that its loss after the last byte is `unknown`.
 * @throws the error if the caller canceled, or if it is none of the network.
 */
export function lossOf(error: unknown, timer: DeliveryTimer, phase: Phase): Failure {
  const isTimeout = timer.stopped?.reason instanceof DeliveryTimeout;
  if (timer.stopped !== null && !isTimeout) throw timer.stopped.reason;
  if (error instanceof HttpError) {
    const code = isTimeout ? "timeout" : error.code;
    return error.isComplete && phase === "data" ? unknownOutcome(code) : notSent(phase, code);
  }
  if (isTimeout) return notSent(timer.phase, "timeout");
  if (error instanceof ConnectError) return notSent(error.phase, error.code);
  throw error;
}
