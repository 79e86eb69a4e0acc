import type { OutboxRepository, QueueSummary } from "../../storage/outbox.ts";
import type { LeaseTimes } from "./leases.ts";

const MAX_OVERDUE = 100;

/** What a message is claimed for; `failover` goes around a server whose circuit is open, `end` is past its time. */
export type Aim = "send" | "failover" | "end";

/** One way to claim messages of a queue. */
export interface ClaimPlan {
  readonly claim: ReturnType<OutboxRepository["claim"]>;
  readonly aim: Aim;
}

/** When a claim takes place. */
export interface ClaimTime {
  readonly now: Date;
  /** Leases that ended after this are not taken over. */
  readonly expiredBefore: Date;
}

/** Creates what plans the claims for one queue: none, if nothing may be sent or there is no room. */
export function createPlanClaims(deps: {
  readonly outbox: OutboxRepository;
  readonly newId: () => string;
  readonly lease: LeaseTimes;
}): (queue: QueueSummary, room: number, time: ClaimTime) => ClaimPlan[] {
  const { outbox, newId, lease } = deps;
  return ({ queueName, dueAt, openUntil, mailsPerMinute }, room, time) => {
    const nowMs = time.now.getTime();
    const claim = (limit: number, perMinute = 0) => ({
      ...{ queueName, limit, ...time },
      mailsPerMinute: perMinute,
      lease: newId(),
      leaseEndsAt: new Date(nowMs + lease.leaseMs),
    });
    const isOpen = openUntil !== null;
    // Messages that are held back may pass their end meanwhile.
    const overdue: ClaimPlan[] =
      isOpen || mailsPerMinute ? [{ claim: outbox.claimOverdue(claim(MAX_OVERDUE)), aim: "end" }] : [];
    if (dueAt > nowMs || room <= 0) return overdue;
    if (isOpen) return [...overdue, { claim: outbox.claimForFailover(claim(room)), aim: "failover" }];
    return [...overdue, { claim: outbox.claim(claim(room, mailsPerMinute ?? 0)), aim: "send" }];
  };
}
