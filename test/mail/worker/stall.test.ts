import { expect, setDefaultTimeout, test } from "bun:test";
import { setTimeout } from "node:timers/promises";
import type { Transport } from "../../../src/contracts/transport.ts";
import { notAttempted, notSent } from "../../../src/domain/delivery.ts";
import { SealpostError } from "../../../src/errors.ts";
import { LEASE_TIMES } from "../../../src/mail/worker/leases.ts";
import { letGo } from "../../fixtures/instance.ts";
import { ACCEPTED } from "../../fixtures/receipts.ts";
import { type CountedDatabase, countedDatabase, THERE } from "../fixtures/counted.ts";
import { headerOf, type QueueInstance, queueInstance, until } from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

/** All times are those of a database file, divided by this. */
const SCALE = 10;
const { leaseMs, heartbeatMs, marginMs } = LEASE_TIMES.local;
const LEASE = { leaseMs: leaseMs / SCALE, heartbeatMs: heartbeatMs / SCALE, marginMs: marginMs / SCALE };
const STALL_MS = 15_000 / SCALE;
const MESSAGES = 100;
const STALL_AFTER = 30;
const STEP_MS = 25;
const AWAY = new SealpostError("database_unavailable", "The database is away");

/** A transport that takes a moment to connect and to reply, and counts how often each message arrives. */
function countingTransport() {
  const arrivals = new Map<string, number>();
  const transport: Transport = {
    name: "counting",
    async send(delivery, { signal, mayTransact = () => true }) {
      await setTimeout(STEP_MS);
      signal.throwIfAborted();
      if (!mayTransact()) return notAttempted(notSent("sender", "cancelled"));
      const id = headerOf(delivery, "Message-ID");
      arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
      await setTimeout(STEP_MS);
      return ACCEPTED;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { transport, arrivals };
}

async function stall(counted: CountedDatabase, how: "hangs" | "fails"): Promise<void> {
  const over = setTimeout(STALL_MS).then(() => undefined);
  if (how === "hangs") counted.stalled = over;
  else counted.failure = { reads: AWAY, writes: AWAY };
  await over;
  counted.failure = THERE;
}

function startWorkers({ services }: QueueInstance, count: number) {
  const stop = new AbortController();
  const working = Array.from({ length: count }, () => services.work(stop.signal));
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(working);
    },
  };
}

test.each(["hangs", "fails"] as const)(
  "a database that %s for longer than a lease causes no duplicate code and no loss",
  async (how) => {
    const counted = countedDatabase();
    const { transport, arrivals } = countingTransport();
    await using instance = await queueInstance({ database: counted.database, transport, lease: LEASE });
    letGo(instance.clock);
    await instance.save();
    for (let number = 0; number < MESSAGES; number++) {
      await instance.queue({ purpose: number % 2 ? "code" : "notice" });
    }
    await using _ = startWorkers(instance, 2);
    await until(() => arrivals.size >= STALL_AFTER, "the first messages arrive");
    await stall(counted, how);
    const waiting = "SELECT 1 FROM mail WHERE due_at IS NOT NULL";
    await until(async () => (await instance.rows(waiting)).length === 0, "every message is final");

    const rows = await instance.rows<{ message_id: string; purpose: string; state: string }>(
      "SELECT message_id, purpose, state FROM mail",
    );
    const timesOf = ({ message_id }: (typeof rows)[number]) => arrivals.get(message_id) ?? 0;
    const [codes, notices] = ["code", "notice"].map((purpose) =>
      rows.filter((row) => row.purpose === purpose),
    );
    const doubles = notices?.filter((row) => timesOf(row) > 1) ?? [];
    const unknown = codes?.filter(({ state }) => state === "unknown") ?? [];
    console.info(
      `the database ${how}: ${doubles.length} notices arrived twice, ${unknown.length} codes are unknown`,
    );
    expect(codes?.filter((row) => timesOf(row) > 1)).toEqual([]);
    expect(rows.filter((row) => row.state === "sent" && timesOf(row) === 0)).toEqual([]);
    expect(notices?.filter(({ state }) => state !== "sent")).toEqual([]);
    expect(codes?.filter(({ state }) => state !== "sent" && state !== "unknown")).toEqual([]);
  },
);
