import type { SmtpReply } from "../domain/delivery.ts";
import { presentReply, type RawReply } from "./replies.ts";
import type { Received } from "./session.ts";
import type { Step } from "./steps.ts";

/** One reply; what can be shown of it is made when it is asked for. */
export class DueReply implements Received {
  readonly step: Step;
  readonly verdict: Received["verdict"];
  readonly raw: RawReply;
  readonly isLast: boolean;
  readonly #redact: (text: string) => string;

  constructor(
    step: Step,
    verdict: Received["verdict"],
    raw: RawReply,
    isLast: boolean,
    redact: (text: string) => string,
  ) {
    this.step = step;
    this.verdict = verdict;
    this.raw = raw;
    this.isLast = isLast;
    this.#redact = redact;
  }

  get reply(): SmtpReply {
    return presentReply(this.raw, this.#redact);
  }
}
