import type { MailState } from "../../domain/queued-mail.ts";
import { dictionary, keysOf, relativeTime } from "./language.ts";

interface WaitingMail {
  readonly held: boolean;
  /** ISO 8601. */
  readonly next_try: string | null;
}
type States = Readonly<Record<MailState, string>>;

const STATE_TEXTS = {
  queued: "Waiting",
  sending: "Sending",
  deferred: "Deferred",
  sent: "Sent",
  failed: "Failed",
  unknown: "Unknown",
  expired: "Expired",
  cancelled: "Canceled",
} satisfies States;
/** Every state, in the order in which messages pass them. */
export const MAIL_STATE_NAMES: readonly MailState[] = keysOf<MailState>(STATE_TEXTS);

const states = dictionary(STATE_TEXTS, {
  queued: "Wartet",
  sending: "Wird gesendet",
  deferred: "Aufgeschoben",
  sent: "Gesendet",
  failed: "Gescheitert",
  unknown: "Ungewiss",
  expired: "Abgelaufen",
  cancelled: "Abgebrochen",
});

/** Returns the name of a state. */
export function stateText(state: MailState): string {
  return states()[state];
}

/** Returns when the next attempt is due. */
export function nextAttemptText(iso: string): string {
  const t = mailTexts();
  return Date.parse(iso) <= Date.now() ? t.due : t.nextAttempt(relativeTime(iso));
}

/** Returns what a message or a webhook waits for; `null` if it is not waiting. */
export function waitText({ held, next_try }: WaitingMail): string | null {
  if (held) return mailTexts().onHold;
  return next_try === null ? null : nextAttemptText(next_try);
}

/** Returns the caller who submitted a message, without the empty realm of a local admin. */
export function submitterText(submitter: string): string {
  return submitter.replace(/@$/, "");
}

export const mailTexts = dictionary(
  {
    title: "Mail",
    compose: "New message",
    lastDay: "The last 24 hours",
    noneSubmitted: "No message was sent, deferred or failed in the last 24 hours.",
    chart: (sent: string, waiting: string, failed: string) =>
      `Messages by hour of submission: ${sent} sent, ${waiting} deferred or waiting, ${failed} failed or unknown`,
    sent: "Sent",
    waiting: "Deferred or waiting",
    failed: "Failed or unknown",
    asTable: "Show as a table",
    hour: "Hour",
    timeToDelivery: "Time to delivery",
    half: "Half of the messages within",
    most: "95 of 100 within",
    noneSent: "None was sent yet.",
    nowWaiting: "Waiting now",
    oldest: (when: string) => `oldest ${when}`,
    held: (messages: string) => `Messages and webhooks on hold: ${messages}.`,
    heldText:
      "A backup that was restored holds them, or an admin holds messages. Make sure that no other instance sends them, then release them.",
    release: "Release all",
    messages: "Messages",
    state: "State",
    server: "Server",
    recipient: "Recipient",
    recipients: "Recipients",
    submitted: "Submitted",
    submitter: "By",
    failure: "Last failure",
    nextAttempt: (when: string) => `Next attempt ${when}`,
    due: "Due now",
    onHold: "On hold",
    more: (more: number) => `and ${more} more`,
    emptyTitle: "No message has been queued yet",
    emptyText:
      "Messages that wait for their server appear here, with every attempt and its reason. Send one to see it.",
    emptyNoSend: "Messages that wait for their server appear here, with every attempt and its reason.",
  },
  {
    title: "Nachrichten",
    compose: "Neue Nachricht",
    lastDay: "Die letzten 24 Stunden",
    noneSubmitted:
      "In den letzten 24 Stunden wurde keine Nachricht gesendet oder aufgeschoben, und keine ist gescheitert.",
    chart: (sent, waiting, failed) =>
      `Nachrichten nach der Stunde der Einreichung: ${sent} gesendet, ${waiting} aufgeschoben oder wartend, ${failed} gescheitert oder ungewiss`,
    sent: "Gesendet",
    waiting: "Aufgeschoben oder wartend",
    failed: "Gescheitert oder ungewiss",
    asTable: "Als Tabelle zeigen",
    hour: "Stunde",
    timeToDelivery: "Zeit bis zur Zustellung",
    half: "Die Hälfte der Nachrichten in",
    most: "95 von 100 in",
    noneSent: "Noch keine wurde gesendet.",
    nowWaiting: "Wartet gerade",
    oldest: (when) => `älteste ${when}`,
    held: (messages) => `Angehaltene Nachrichten und Webhooks: ${messages}.`,
    heldText:
      "Eine wiederhergestellte Sicherung hält sie an, oder ein Admin hält Nachrichten an. Stellen Sie sicher, dass keine andere Instanz sie sendet, und geben Sie sie dann frei.",
    release: "Alle freigeben",
    messages: "Nachrichten",
    state: "Zustand",
    server: "Server",
    recipient: "Empfänger",
    recipients: "Empfänger",
    submitted: "Eingereicht",
    submitter: "Von",
    failure: "Letzter Fehler",
    nextAttempt: (when) => `Nächster Versuch ${when}`,
    due: "Jetzt fällig",
    onHold: "Angehalten",
    more: (more) => `und ${more} weitere`,
    emptyTitle: "Noch keine Nachricht in der Warteschlange",
    emptyText:
      "Hier erscheinen Nachrichten, die auf ihren Server warten, mit jedem Versuch und seinem Grund. Senden Sie eine, um sie zu sehen.",
    emptyNoSend:
      "Hier erscheinen Nachrichten, die auf ihren Server warten, mit jedem Versuch und seinem Grund.",
  },
);
