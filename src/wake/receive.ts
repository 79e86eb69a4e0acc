import { getLogger } from "@logtape/logtape";

const log = getLogger(["sealpost", "wake"]);

/** Called for each wake with the ID of the message. */
export type Listener = (mailId: string) => Promise<void>;

/** Passes a wake to a listener and logs its error. Never rejects. */
export async function receiveWake(on: Listener, mailId: string): Promise<void> {
  try {
    await on(mailId);
  } catch (error) {
    log.error("The listener failed for the wake of message {mailId}: {error}", { mailId, error });
  }
}

/** The error of `notify` and `listen` after disposal. */
export function closedError(): Error {
  return new Error("The wake is closed");
}
