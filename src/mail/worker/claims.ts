import type { Statement } from "../../storage/database.ts";
import type { Lane, OutboxRepository } from "../../storage/outbox.ts";
import type { Circuit } from "../circuit.ts";

/** The times of a lease, in milliseconds. */
export interface LeaseTimes {
  /** How long a worker may be silent before others take its mails. */
  readonly leaseMs: number;
  /** How often it says that it is alive. */
  readonly heartbeatMs: number;
  /** What has to be left of a lease for a mail to be begun. */
  readonly marginMs: number;
}

/** A worker that is held up misses three heartbeats before it loses a mail. */
export const LEASE_TIMES: LeaseTimes = { leaseMs: 60_000, heartbeatMs: 15_000, marginMs: 5_000 };
const MOST_OVERDUE = 100;

/** What a mail is held for: `probe` tries whether a server is back, `pass-over` goes around one that is down. */
export type Aim = "send" | "probe" | "pass-over";

/** One way to take mails of a lane. */
export interface ClaimPlan {
  /** Run before the claim, which depends on whether it changed a row. */
  readonly guard: Statement | null;
  readonly claim: ReturnType<OutboxRepository["claim"]>;
  readonly aim: Aim;
}

/** Makes what plans the claims for one lane: none, if nothing may be sent or there is no room. */
export function createPlanClaims(parts: {
  readonly outbox: OutboxRepository;
  readonly circuit: Circuit;
  readonly newId: () => string;
  readonly lease: LeaseTimes;
}): (lane: Lane, room: number, now: Date) => ClaimPlan[] {
  const { outbox, circuit, newId, lease } = parts;
  return ({ lane, dueAt, openUntil, mailsPerMinute }, room, now) => {
    const nowMs = now.getTime();
    const claim = (limit: number, perMinute = 0) => ({
      lane,
      limit,
      now,
      mailsPerMinute: perMinute,
      lease: newId(),
      leaseEndsAt: new Date(nowMs + lease.leaseMs),
    });
    const plan = (statement: ClaimPlan["claim"], aim: Aim = "send") => ({
      guard: null,
      claim: statement,
      aim,
    });
    const isDue = dueAt <= nowMs && room > 0;
    // Where mail is held back, some of it may grow too old meanwhile.
    const overdue =
      openUntil === null && !mailsPerMinute ? [] : [plan(outbox.claimOverdue(claim(MOST_OVERDUE)))];
    if (!isDue) return overdue;
    // First what is too old, so that no such mail is the one that tries the server.
    if (openUntil === null) return [...overdue, plan(outbox.claim(claim(room, mailsPerMinute ?? 0)))];
    const movable = plan(outbox.claimMovable(claim(room)), "pass-over");
    if (openUntil > nowMs) return [...overdue, movable];
    const probe = {
      guard: circuit.probe(lane, now),
      claim: outbox.claimProbe(claim(1)),
      aim: "probe",
    } as const;
    return [...overdue, probe, movable];
  };
}
