import { phaseText } from "../i18n/failures.ts";
import { testTexts } from "../i18n/test.ts";
import { type Step, stepsOf, type TestResult } from "../test-run.ts";

const MARKS: Readonly<Record<Step["state"], string>> = { done: "✓", skipped: "–", failed: "✕", pending: "" };

/** The phases of a test, filled as far as it went. */
export function Ladder({ result }: { readonly result: TestResult }) {
  const t = testTexts();
  const names: Readonly<Record<Step["state"], string>> = {
    done: t.done,
    skipped: t.skipped,
    failed: t.failedStep,
    pending: t.pending,
  };
  const steps = stepsOf(result);
  const slowest = Math.max(1, ...steps.map(({ ms }) => ms ?? 0));
  return (
    <ol class="ladder" aria-label={t.phases}>
      {steps.map(({ phase, state, ms }) => (
        <li key={phase} class={state}>
          <span class="mark" aria-hidden="true">
            {MARKS[state]}
          </span>
          <span class="phase">{phaseText(phase)}</span>
          <meter class="bar-time" min={0} max={slowest} value={ms ?? 0} aria-hidden="true" />
          <span class="time">{ms === null ? names[state] : t.ms(ms)}</span>
          {ms !== null && <span class="visually-hidden">{names[state]}</span>}
        </li>
      ))}
    </ol>
  );
}
