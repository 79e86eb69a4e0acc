import { expect } from "bun:test";
import type { Flow, Instance } from "../flow.ts";

const CLIENTS = 100;
const SAMPLES = 500;
/** Maximum by which an authenticated call may slow down. */
const MAX_RATIO = 5;
const MAX_READY_MS = 1_000;
/** Pause of a rejected client before its next login. */
const PAUSE_MS = 500;

/** The statuses that a client of the flood may get. */
const EXPECTED = [401, 429, 503];

export const FLOOD: readonly Flow[] = [
  {
    claim: `with ${CLIENTS} logins open, authenticated calls stay within ${MAX_RATIO} × idle and /readyz within 1 s`,
    setup: "behind a proxy",
    isMeasured: true,
    run: (instance) => flood(instance),
    except: {
      workerd: {
        because: "the hashes of an isolate run in its only thread, so a call waits for a running hash",
        run: answered,
      },
    },
  },
];

async function flood(instance: Instance): Promise<void> {
  const { origin, admin } = instance;
  const list = async () => expect((await admin.call("GET", "/smtpserver/")).status).toBe(200);
  const ready = async () => {
    const response = await fetch(`${origin}/readyz`);
    expect(response.status).toBe(200);
    await response.body?.cancel();
  };
  await series(SAMPLES, list);
  const idle = await series(SAMPLES, list);
  const logins = startLogins(origin);
  await logins.full;
  const busy = await series(SAMPLES, list);
  const readiness = await series(10, ready);
  const statuses = await logins.stop();
  const [idleMs, busyMs] = [median(idle), median(busy)];
  console.info(
    `GET /smtpserver/: ${idleMs.toFixed(1)} ms idle, ${busyMs.toFixed(1)} ms with ${CLIENTS} logins open; ` +
      `/readyz at most ${Math.max(...readiness).toFixed(0)} ms`,
  );
  expect(statuses.filter((status) => !EXPECTED.includes(status))).toEqual([]);
  expect(busyMs).toBeLessThan(MAX_RATIO * idleMs);
  expect(Math.max(...readiness)).toBeLessThan(MAX_READY_MS);
}

/** Every login gets a response, and an admin can log in afterwards. */
async function answered({ origin, addAdmin }: Instance): Promise<void> {
  const logins = startLogins(origin);
  await logins.full;
  const statuses = await logins.stop();
  expect(statuses.filter((status) => !EXPECTED.includes(status))).toEqual([]);
  await addAdmin("late", "the password of one who comes late");
}

/** Starts clients of different networks that guess passwords until they are stopped. */
function startLogins(origin: string) {
  const full = Promise.withResolvers<void>();
  const statuses: number[] = [];
  const hangUp = new AbortController();
  const { signal } = hangUp;
  const guess = async (client: number) => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      const address = `2001:db8:${client}:${attempt}::1`;
      const response = await fetch(`${origin}/auth`, {
        method: "POST",
        signal,
        headers: { "X-Forwarded-For": address, "CF-Connecting-IP": address },
        body: new URLSearchParams({ username: `user ${client}`, password: `guess ${attempt}` }),
      });
      await response.body?.cancel();
      statuses.push(response.status);
      if (response.status !== 503) continue;
      if (Number(response.headers.get("Retry-After")) > 0) full.resolve();
      await Bun.sleep(PAUSE_MS);
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, index) => guess(index).catch(unlessHungUp));
  return {
    /** Resolves when the first client gets 503, because too many are waiting. */
    full: full.promise,
    /** Stops the clients. @returns the statuses of the responses. */
    async stop(): Promise<readonly number[]> {
      hangUp.abort();
      await Promise.all(clients);
      return statuses;
    },
  };

  function unlessHungUp(error: unknown): void {
    if (!signal.aborted) throw error;
  }
}

async function series(count: number, call: () => Promise<void>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at++) {
    const startMs = performance.now();
    await call();
    times.push(performance.now() - startMs);
  }
  return times;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}
