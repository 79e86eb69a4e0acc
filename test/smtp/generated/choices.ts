/**
 * Decisions read from a tape of numbers. Zero stands for the ordinary decision, also after the end of the tape. So a
 * shorter tape of smaller numbers is a simpler conversation.
 */
export class Choices {
  readonly #tape: readonly number[];
  #index = 0;

  constructor(tape: readonly number[]) {
    this.#tape = tape;
  }

  /** A whole number from 0 to `count` - 1. */
  below(count: number): number {
    return (this.#tape[this.#index++] ?? 0) % count;
  }

  /** False on zero. */
  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent;
  }

  /** The first one on zero. */
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  /** The chosen items, in order. */
  some<T>(items: readonly T[], percent: number): readonly T[] {
    return items.filter(() => !this.chance(100 - percent));
  }
}
