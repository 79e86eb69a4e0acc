import type { Phase } from "../domain/delivery.ts";
import type { Step } from "./steps.ts";

/**
 * What the conversation waits for: a reply that belongs to a phase; the TLS handshake, then {@link Conversation.secured};
 * the socket to take what was written, then {@link Conversation.drained}; nothing, because the work has its result.
 */
export type Wait =
  | { readonly for: "reply"; readonly phase: Phase }
  | { readonly for: "tls" }
  | { readonly for: "drain" }
  | { readonly for: "nothing" };

/** What follows from an input: bytes to hand to the socket now, in one write, and what to wait for. */
export interface Turn {
  /** Null: nothing. */
  readonly write: Uint8Array | null;
  readonly wait: Wait;
  /** The phases that were entered, in order; several replies may have come at the same moment. */
  readonly phases: readonly Phase[];
}

/** A part of what a turn writes; `step` is the one that it completes, null if more bytes follow. */
export interface Staged {
  readonly step: Step | null;
  readonly data: string | Uint8Array;
}

const encoder = new TextEncoder();

/** Joins what a turn writes. @returns null: nothing. */
export function joined(staged: readonly Staged[]): Uint8Array | null {
  const [first] = staged;
  if (first === undefined) return null;
  if (staged.length === 1 && typeof first.data !== "string") return first.data;
  const parts: Uint8Array[] = [];
  let text = "";
  for (const { data } of staged) {
    if (typeof data === "string") text += data;
    else {
      parts.push(encoder.encode(text), data);
      text = "";
    }
  }
  return parts.length === 0 ? encoder.encode(text) : Buffer.concat([...parts, encoder.encode(text)]);
}

/** Whether what is written for a step is bytes of a message; null: bytes that others follow. */
export function isOfMessage(step: Step | null): boolean {
  return step === null || step === "message" || step === "bdat";
}
