import { describe, expect, test } from "bun:test";
import type { Wake, WakeSource } from "../../src/contracts/wake.ts";

/** A wake and what hears it; engines that push have their entry call the listeners. */
export interface WakeHarness extends AsyncDisposable {
  readonly wake: Wake;
  readonly listen: WakeSource["listen"];
  /** Of several listeners, who hears a wake. */
  readonly heardBy: "each" | "one";
  /** The engine, as it runs here, lets wakes be heard only when those before have been. */
  readonly isSerial?: true;
}

/** Enough for the engine that gathers wakes for a second, on a machine that is busy with others. */
const TEST_MS = 20_000;
/** Engines that delay by whole seconds round this up. */
const LATER_MS = 400;
/** Far less than any lock or pause of an engine, far more than an end by itself takes. */
const PROMPT_MS = 2_000;

/** What every wake driver promises; each driver's test begins by calling it. */
export function testWake(name: string, makeHarness: () => Promise<WakeHarness>): void {
  describe(`${name}: what every wake promises`, () => {
    const promise = (claim: string, check: (harness: WakeHarness) => Promise<void>): void =>
      test(
        claim,
        async () => {
          await using harness = await makeHarness();
          await check(harness);
        },
        TEST_MS,
      );

    promise("notify() is heard, and what is heard is the id alone", async ({ wake, listen }) => {
      using ear = new Ear(listen);
      const id = mailId();
      await wake.notify([id]);
      await ear.until(1);
      expect(ear.calls).toEqual([[id]]);
    });

    promise("notify() carries many ids at once, each once", async ({ wake, listen }) => {
      using ear = new Ear(listen);
      const ids = mailIds(250);
      await wake.notify(ids);
      await ear.until(ids.length);
      expect(ear.heard.toSorted()).toEqual(ids.toSorted());
    });

    promise("notify() takes no ids for nothing to say", async ({ wake, listen }) => {
      using ear = new Ear(listen);
      const id = mailId();
      await wake.notify([]);
      await wake.notify([id]);
      await ear.until(1);
      expect(ear.heard).toEqual([id]);
    });

    promise("of two listeners the one or each hears a wake", async ({ wake, listen, heardBy }) => {
      using one = new Ear(listen);
      using other = new Ear(listen);
      const ids = mailIds(20);
      for (const id of ids) await wake.notify([id]);
      if (heardBy === "each") {
        await Promise.all([one.until(ids.length), other.until(ids.length)]);
        expect([one.heard, other.heard]).toEqual([ids, ids]);
      } else {
        await Ear.untilTogether(ids.length, [one, other]);
        expect([...one.heard, ...other.heard].toSorted()).toEqual(ids.toSorted());
      }
    });

    promise("notify() with notBefore is not heard before", async ({ wake, listen }) => {
      using ear = new Ear(listen);
      const [later, now, past] = [mailId(), mailId(), mailId()];
      const start = Date.now();
      await wake.notify([later], { notBefore: new Date(start + LATER_MS) });
      await wake.notify([now]);
      await wake.notify([past], { notBefore: new Date(start - LATER_MS) });
      await ear.until(3);
      expect(ear.heard.toSorted()).toEqual([later, now, past].toSorted());
      expect(ear.at(later)).toBeGreaterThanOrEqual(start + LATER_MS);
    });

    promise(
      "the same mail is heard again, also while it is being heard",
      async ({ wake, listen, isSerial }) => {
        const gate = Promise.withResolvers<void>();
        using ear = new Ear(listen, () => gate.promise);
        const id = mailId();
        await wake.notify([id]);
        await ear.until(1);
        if (isSerial) gate.resolve();
        await wake.notify([id]);
        await ear.until(2);
        gate.resolve();
        expect(ear.heard).toEqual([id, id]);
      },
    );

    promise("a listener that fails goes on hearing, and nothing is repeated", async ({ wake, listen }) => {
      const failures: readonly (() => Promise<void>)[] = [
        () => Promise.reject(new Error("Nobody is at home")),
        () => {
          throw new Error("Nobody opens");
        },
      ];
      using ear = new Ear(listen, () => failures[ear.heard.length - 1]?.() ?? Promise.resolve());
      const ids = mailIds(5);
      for (const [at, id] of ids.entries()) {
        await wake.notify([id]);
        await ear.until(at + 1);
      }
      expect(ear.heard).toEqual(ids);
    });

    promise("abort ends listen() soon, whatever its listener is busy with", async ({ wake, listen }) => {
      using ear = new Ear(listen, () => new Promise(() => undefined));
      await wake.notify([mailId()]);
      await ear.until(1);
      const start = performance.now();
      ear[Symbol.dispose]();
      await ear.ended;
      expect(performance.now() - start).toBeLessThan(PROMPT_MS);
    });

    promise("listen() with an aborted signal ends without hearing", async ({ wake, listen }) => {
      const calls: string[] = [];
      await listen(async (id) => void calls.push(id), { signal: AbortSignal.abort() });
      using ear = new Ear(listen);
      await wake.notify([mailId()]);
      await ear.until(1);
      expect(calls).toEqual([]);
    });

    promise("after dispose, which may be called twice, notify() rejects", async ({ wake, listen }) => {
      using ear = new Ear(listen);
      await wake.notify([mailId()]);
      await ear.until(1);
      await wake[Symbol.asyncDispose]();
      await wake[Symbol.asyncDispose]();
      const error = await wake.notify([mailId()]).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Error);
      expect(ear.heard).toHaveLength(1);
    });
  });
}

/** An id as the outbox makes them. */
export function mailId(): string {
  return crypto.randomUUID();
}

export function mailIds(count: number): string[] {
  return Array.from({ length: count }, mailId);
}

/** Listens, and keeps what it hears. */
export class Ear implements Disposable {
  readonly calls: (readonly unknown[])[] = [];
  readonly #times = new Map<string, number>();
  readonly #controller = new AbortController();
  readonly #changes = new Set<() => void>();
  /** Resolves when `listen` has ended. */
  readonly ended: Promise<void>;

  constructor(listen: WakeSource["listen"], answer: () => Promise<void> = () => Promise.resolve()) {
    const on = (...call: readonly [string, ...unknown[]]): Promise<void> => {
      this.calls.push(call);
      this.#times.set(call[0], Date.now());
      for (const change of this.#changes) change();
      return answer();
    };
    this.ended = listen(on, { signal: this.#controller.signal });
  }

  get heard(): string[] {
    return this.calls.map(([id]) => String(id));
  }

  /** When it was heard last, in milliseconds since 1970. */
  at(id: string): number | undefined {
    return this.#times.get(id);
  }

  /** Waits until so many wakes were heard. */
  until(count: number): Promise<void> {
    return Ear.untilTogether(count, [this]);
  }

  static async untilTogether(count: number, ears: readonly Ear[]): Promise<void> {
    while (ears.reduce((sum, { calls }) => sum + calls.length, 0) < count) {
      await new Promise<void>((resolve) => {
        for (const ear of ears) ear.#changes.add(resolve);
      });
    }
  }

  [Symbol.dispose](): void {
    this.#controller.abort();
  }
}
