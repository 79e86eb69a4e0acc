import type { Knowledge, ModelStep } from "./knowledge.ts";
import type { Scenario, Work } from "./scenario.ts";

/** The input of a rule. */
export interface Context {
  readonly scenario: Scenario;
  /** `null`: the connection is being opened, or closed. */
  readonly work: Work | null;
  readonly known: Knowledge;
}

/** Whether a command of this task has no reply so far, or was accepted (RFC 5321 4.1.4). */
export function isGiven(known: Knowledge, step: ModelStep): boolean {
  const entry = known.of(step);
  return entry !== null && (entry.reply === null || entry.reply.code < 300);
}
