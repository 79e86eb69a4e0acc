/** A part of a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A part of a text to replace. */
export interface Cut extends Span {
  readonly by: string;
}

/** Returns the text with the parts replaced. A part inside another goes with it. */
export function withCuts(text: string, cuts: readonly Cut[]): string {
  // From the end, so that positions stay true.
  const sorted = cuts.toSorted((left, right) => right.start - left.start || left.end - right.end);
  const outer = sorted.filter(({ start }, index) => !sorted.slice(index + 1).some(({ end }) => start < end));
  return outer.reduce((lean, { start, end, by }) => lean.slice(0, start) + by + lean.slice(end), text);
}

/** A source without some parts. */
export interface LeanSource {
  readonly text: string;
  /** Names of the parts that it had. */
  readonly found: ReadonlySet<string>;
}
