import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../../async/abort.ts";
import { SealpostError } from "../../errors.ts";

const log = getLogger(["sealpost", "mail"]);

/** The longest time that a check takes, in milliseconds. */
export const CHECK_MS = 4_000;
/** Problems that one message names; the others are counted. */
const MAX_NAMED = 5;

/** One check of the instance. */
interface Check {
  /** A sentence for the case that nothing is wrong. */
  readonly fine: string;
  /** Returns a sentence for each problem: what is wrong, and what to do. It contains no secret. */
  find(): Promise<readonly string[]>;
}

/** Checks by name, in the order of the report. */
export type Checks = Readonly<Record<string, Check>>;

/** The result of one check. */
interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Says what to do, or that nothing is to do. */
  readonly message: string;
}

/** Checks the whole instance within a few seconds. Never rejects: a check that fails is a finding. */
export type Doctor = () => Promise<readonly Finding[]>;

/** Creates the doctor. @param start returns the checks of one run, which may share what they read */
export function createDoctor(start: () => Checks): Doctor {
  return () => Promise.all(Object.entries(start()).map(([name, check]) => findingOf(name, check)));
}

async function findingOf(name: string, { fine, find }: Check): Promise<Finding> {
  const late = () =>
    new SealpostError(
      "too_slow",
      `The check did not finish within ${CHECK_MS / 1000} s: repeat it, and see the log`,
    );
  try {
    const problems = await withDeadline(find(), CHECK_MS, late);
    return { name, ok: problems.length === 0, message: problems.length === 0 ? fine : joined(problems) };
  } catch (error) {
    log.warning("Cannot check {name}: {error}", { name, error });
    const isKnown = error instanceof SealpostError && error.code !== "internal";
    return { name, ok: false, message: isKnown ? sentence(error.message) : "The check failed: see the log." };
  }
}

function joined(problems: readonly string[]): string {
  const named = problems.slice(0, MAX_NAMED);
  const left = problems.length - named.length;
  return [...named, ...(left > 0 ? [`And ${left} more.`] : [])].join(" ");
}

function sentence(message: string): string {
  const text = message.replace(/^ERR\d+: /, "");
  return text.endsWith(".") ? text : `${text}.`;
}
