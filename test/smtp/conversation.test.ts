import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { Choices } from "./generated/choices.ts";
import { ConversationRun } from "./generated/conversation-run.ts";
import { Coverage } from "./generated/coverage.ts";
import { GOALS, type Goal } from "./generated/incidents.ts";

/** LONG_TESTS=1 asks for the long form. */
const IS_LONG = process.env.LONG_TESTS === "1";
/** Number of random conversations, and of those for each state and class of reply. */
const DIALOGUES = IS_LONG ? 150_000 : 5_000;
const DIALOGUES_PER_GOAL = IS_LONG ? 200 : 15;
const MAX_CHOICES = 600;

setDefaultTimeout(3_600_000);

const TAPES = fc.array(fc.nat(0xffff), { maxLength: MAX_CHOICES, size: "max" });

/** Runs conversations. Reduces one that fails to a short one and reports it whole. */
function runDialogues(numRuns: number, coverage: Coverage, goal: Goal | null): void {
  const property = fc.property(TAPES, (tape) => {
    const run = new ConversationRun(new Choices(tape), coverage, goal);
    try {
      run.run();
    } catch (error) {
      throw new Error([error, ...run.transcript].join("\n"));
    }
  });
  fc.assert(property, { numRuns, includeErrorInReport: true });
}

test("a conversation ends, writes only what the RFCs allow, and reports what happened", () => {
  const coverage = new Coverage();
  for (const goal of GOALS) runDialogues(DIALOGUES_PER_GOAL, coverage, goal);
  runDialogues(DIALOGUES, coverage, null);
  process.stdout.write(`\n${coverage.format()}\n`);
  expect(GOALS.filter(({ state, replyClass }) => coverage.hits(state, replyClass) === 0)).toEqual([]);
});
