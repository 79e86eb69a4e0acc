import { getLogger } from "@logtape/logtape";

const log = getLogger(["sealpost", "wake"]);

/** What is called for each wake, with the id of the mail. */
export type Listener = (mailId: string) => Promise<void>;

/** Lets a listener hear a wake. Never rejects: what comes of it is not the engine's business. */
export async function hear(on: Listener, mailId: string): Promise<void> {
  try {
    await on(mailId);
  } catch (error) {
    log.error("The wake of mail {mailId} met an error: {error}", { mailId, error });
  }
}
