import type { Statement } from "../storage/database.ts";
import type { Lane, OutboxRepository } from "../storage/outbox.ts";
import type { Circuit } from "./circuit.ts";

/** How long a worker may be silent before others take its mails. */
export const LEASE_MS = 60_000;
const MOST_OVERDUE = 100;

/** One way to take mails of a lane. */
export interface ClaimPlan {
  /** Run before the claim, which depends on whether it changed a row. */
  readonly guard: Statement | null;
  readonly claim: ReturnType<OutboxRepository["claim"]>;
  readonly isProbe: boolean;
}

/** Makes what plans the claims for one lane: none, if nothing may be sent or there is no room. */
export function createPlanClaims(parts: {
  readonly outbox: OutboxRepository;
  readonly circuit: Circuit;
  readonly newId: () => string;
}): (lane: Lane, room: number, now: Date) => ClaimPlan[] {
  const { outbox, circuit, newId } = parts;
  return ({ lane, dueAt, openUntil, mailsPerMinute }, room, now) => {
    const nowMs = now.getTime();
    const claim = (limit: number, perMinute = 0) => ({
      lane,
      limit,
      now,
      mailsPerMinute: perMinute,
      lease: newId(),
      leaseEndsAt: new Date(nowMs + LEASE_MS),
    });
    const plain = (statement: ClaimPlan["claim"]) => ({ guard: null, claim: statement, isProbe: false });
    const isDue = dueAt <= nowMs && room > 0;
    // Where mail is held back, some of it may grow too old meanwhile.
    const overdue =
      openUntil === null && !mailsPerMinute ? [] : [plain(outbox.claimOverdue(claim(MOST_OVERDUE)))];
    if (!isDue) return overdue;
    if (openUntil === null) return [plain(outbox.claim(claim(room, mailsPerMinute ?? 0))), ...overdue];
    const movable = plain(outbox.claimMovable(claim(room)));
    if (openUntil > nowMs) return [movable, ...overdue];
    const probe = { guard: circuit.probe(lane, now), claim: outbox.claimProbe(claim(1)), isProbe: true };
    return [probe, movable, ...overdue];
  };
}
