import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../../async/abort.ts";
import { joined, type Problem, problem } from "../../domain/findings.ts";
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
  /** Returns what is wrong, and what to do. It contains no secret. */
  find(): Promise<readonly Problem[]>;
}

/** Checks by name, in the order of the report. */
export type Checks = Readonly<Record<string, Check>>;

/** The result of one check. */
interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Says what to do, or that nothing is to do. */
  readonly message: string;
  /** The sentences of `message` by code. Empty if nothing is wrong. */
  readonly problems: Problem["sentences"];
}

/** Checks the whole instance within a few seconds. Never rejects: a check that fails is a finding. */
export type Doctor = () => Promise<readonly Finding[]>;

/** Creates the doctor. @param start returns the checks of one run, which may share what they read */
export function createDoctor(start: () => Checks): Doctor {
  return () => Promise.all(Object.entries(start()).map(([name, check]) => findingOf(name, check)));
}

async function findingOf(name: string, { fine, find }: Check): Promise<Finding> {
  const late = () => new SealpostError("too_slow", "The check took too long");
  try {
    const problems = await withDeadline(find(), CHECK_MS, late);
    if (problems.length === 0) return { name, ok: true, message: fine, problems: [] };
    return { name, ...failed(limited(problems)) };
  } catch (error) {
    log.warning("Cannot check {name}: {error}", { name, error });
    return { name, ...failed(failureOf(error)) };
  }
}

function failed({ text, sentences }: Problem) {
  return { ok: false, message: text, problems: sentences };
}

function limited(problems: readonly Problem[]): Problem {
  const named = problems.slice(0, MAX_NAMED);
  const left = problems.length - named.length;
  return joined([...named, ...(left > 0 ? [problem("more", { count: left })] : [])]);
}

/** Returns why a check has no result. */
function failureOf(error: unknown): Problem {
  if (!(error instanceof SealpostError) || error.code === "internal") return problem("check_failed");
  if (error.code === "too_slow") return problem("check_late", { seconds: CHECK_MS / 1000 });
  return problem("check_rejected", { reason: sentence(error.message) });
}

function sentence(message: string): string {
  const text = message.replace(/^ERR\d+: /, "");
  return text.endsWith(".") ? text : `${text}.`;
}
