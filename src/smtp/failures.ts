import { type Failure, notSent, type Phase, type SmtpReply } from "../domain/delivery.ts";

export interface RejectionContext {
  readonly isTls: boolean;
  /** Whether a username is set. */
  readonly hasLogin: boolean;
}

export function rejection(phase: Phase, reply: SmtpReply, _context: RejectionContext): Failure {
  return notSent(phase, "protocol", reply);
}
