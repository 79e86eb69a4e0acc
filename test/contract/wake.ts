import { describe, expect, test } from "bun:test";
import type { Wake, WakeSource } from "../../src/contracts/wake.ts";

/** A wake and its source. For engines that push, the harness calls the listeners as the entry would. */
export interface WakeHarness extends AsyncDisposable {
  readonly wake: Wake;
  readonly listen: WakeSource["listen"];
  /** Whether each of several listeners receives a wake, or only one. */
  readonly receivedBy: "each" | "one";
  /** The engine, as it runs here, delivers a wake only after the previous ones are handled. */
  readonly isSerial?: true;
}

/** Enough for an engine that collects wakes for a second, on a busy machine. */
const TEST_MS = 20_000;
/** Engines that delay by whole seconds round this up. */
const LATER_MS = 400;
/** Far less than any lock or pause of an engine, far more than ending takes. */
const PROMPT_MS = 2_000;

/** Tests the promises of every wake driver. Each driver's test starts by calling it. */
export function testWake(name: string, makeHarness: () => Promise<WakeHarness>): void {
  describe(`${name} as a wake`, () => {
    const promise = (claim: string, check: (harness: WakeHarness) => Promise<void>): void =>
      test(
        claim,
        async () => {
          await using harness = await makeHarness();
          await check(harness);
        },
        TEST_MS,
      );

    promise("notify() passes only the ID to the listener", async ({ wake, listen }) => {
      using listener = new Listener(listen);
      const id = mailId();
      await wake.notify([id]);
      await listener.until(1);
      expect(listener.calls).toEqual([[id]]);
    });

    promise("notify() delivers each of many IDs once", async ({ wake, listen }) => {
      using listener = new Listener(listen);
      const ids = mailIds(250);
      await wake.notify(ids);
      await listener.until(ids.length);
      expect(listener.received.toSorted()).toEqual(ids.toSorted());
    });

    promise("notify() without IDs does nothing", async ({ wake, listen }) => {
      using listener = new Listener(listen);
      const id = mailId();
      await wake.notify([]);
      await wake.notify([id]);
      await listener.until(1);
      expect(listener.received).toEqual([id]);
    });

    promise("a wake reaches one of two listeners, or both", async ({ wake, listen, receivedBy }) => {
      using one = new Listener(listen);
      using other = new Listener(listen);
      const ids = mailIds(20);
      for (const id of ids) await wake.notify([id]);
      if (receivedBy === "each") {
        await Promise.all([one.until(ids.length), other.until(ids.length)]);
        expect([one.received, other.received]).toEqual([ids, ids]);
      } else {
        await Listener.untilTogether(ids.length, [one, other]);
        expect([...one.received, ...other.received].toSorted()).toEqual(ids.toSorted());
      }
    });

    promise("notify() with notBefore is not delivered earlier", async ({ wake, listen }) => {
      using listener = new Listener(listen);
      const [later, now, past] = [mailId(), mailId(), mailId()];
      const start = Date.now();
      await wake.notify([later], { notBefore: new Date(start + LATER_MS) });
      await wake.notify([now]);
      await wake.notify([past], { notBefore: new Date(start - LATER_MS) });
      await listener.until(3);
      expect(listener.received.toSorted()).toEqual([later, now, past].toSorted());
      expect(listener.timeOf(later)).toBeGreaterThanOrEqual(start + LATER_MS);
    });

    promise(
      "the same ID is delivered again, even while its listener is running",
      async ({ wake, listen, isSerial }) => {
        const gate = Promise.withResolvers<void>();
        using listener = new Listener(listen, () => gate.promise);
        const id = mailId();
        await wake.notify([id]);
        await listener.until(1);
        if (isSerial) gate.resolve();
        await wake.notify([id]);
        await listener.until(2);
        gate.resolve();
        expect(listener.received).toEqual([id, id]);
      },
    );

    promise(
      "a listener that fails continues to receive, and nothing is repeated",
      async ({ wake, listen }) => {
        const failures: readonly (() => Promise<void>)[] = [
          () => Promise.reject(new Error("The listener rejects")),
          () => {
            throw new Error("The listener throws");
          },
        ];
        using listener = new Listener(
          listen,
          () => failures[listener.received.length - 1]?.() ?? Promise.resolve(),
        );
        const ids = mailIds(5);
        for (const [index, id] of ids.entries()) {
          await wake.notify([id]);
          await listener.until(index + 1);
        }
        expect(listener.received).toEqual(ids);
      },
    );

    promise("abort ends listen() promptly, even while its listener is busy", async ({ wake, listen }) => {
      using listener = new Listener(listen, () => new Promise(() => undefined));
      await wake.notify([mailId()]);
      await listener.until(1);
      const start = performance.now();
      listener[Symbol.dispose]();
      await listener.ended;
      expect(performance.now() - start).toBeLessThan(PROMPT_MS);
    });

    promise("listen() with an aborted signal ends without receiving", async ({ wake, listen }) => {
      const calls: string[] = [];
      await listen(async (id) => void calls.push(id), { signal: AbortSignal.abort() });
      using listener = new Listener(listen);
      await wake.notify([mailId()]);
      await listener.until(1);
      expect(calls).toEqual([]);
    });

    promise("notify() rejects after dispose, which may be called twice", async ({ wake, listen }) => {
      using listener = new Listener(listen);
      await wake.notify([mailId()]);
      await listener.until(1);
      await wake[Symbol.asyncDispose]();
      await wake[Symbol.asyncDispose]();
      const error = await wake.notify([mailId()]).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Error);
      expect(listener.received).toHaveLength(1);
    });
  });
}

/** An ID in the form that the outbox creates. */
export function mailId(): string {
  return crypto.randomUUID();
}

export function mailIds(count: number): string[] {
  return Array.from({ length: count }, mailId);
}

/** Listens and stores what it receives. */
export class Listener implements Disposable {
  readonly calls: (readonly unknown[])[] = [];
  readonly #times = new Map<string, number>();
  readonly #controller = new AbortController();
  readonly #changes = new Set<() => void>();
  /** Resolves when `listen` has ended. */
  readonly ended: Promise<void>;

  constructor(listen: WakeSource["listen"], onReceive: () => Promise<void> = () => Promise.resolve()) {
    const on = (...call: readonly [string, ...unknown[]]): Promise<void> => {
      this.calls.push(call);
      this.#times.set(call[0], Date.now());
      for (const change of this.#changes) change();
      return onReceive();
    };
    this.ended = listen(on, { signal: this.#controller.signal });
  }

  get received(): string[] {
    return this.calls.map(([id]) => String(id));
  }

  /** Time of the last wake with this ID, in milliseconds since 1970. */
  timeOf(id: string): number | undefined {
    return this.#times.get(id);
  }

  /** Waits until this many wakes were received. */
  until(count: number): Promise<void> {
    return Listener.untilTogether(count, [this]);
  }

  static async untilTogether(count: number, listeners: readonly Listener[]): Promise<void> {
    while (listeners.reduce((sum, { calls }) => sum + calls.length, 0) < count) {
      await new Promise<void>((resolve) => {
        for (const listener of listeners) listener.#changes.add(resolve);
      });
    }
  }

  [Symbol.dispose](): void {
    this.#controller.abort();
  }
}
