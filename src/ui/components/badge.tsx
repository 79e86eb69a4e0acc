import type { MailState } from "../../domain/queued-mail.ts";
import { stateText } from "../i18n/mail.ts";

const KINDS: Readonly<Record<MailState, BadgeProps["kind"]>> = {
  queued: "plain",
  sending: "plain",
  deferred: "warn",
  sent: "ok",
  failed: "error",
  unknown: "error",
  expired: "error",
  cancelled: "plain",
};

interface BadgeProps {
  readonly kind: "ok" | "warn" | "error" | "plain";
  readonly children: string;
}

/** A state as a word with its color. */
export function Badge({ kind, children }: BadgeProps) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

/** The state of a message or a recipient. */
export function StateBadge({ state }: { readonly state: MailState }) {
  return <Badge kind={KINDS[state]}>{stateText(state)}</Badge>;
}
