import { Command, InvalidArgumentError, Option } from "commander";
import { MAIL_STATES, type MailState, nextDueAt, type QueuedMail } from "../domain/queued-mail.ts";
import type { ServerHealth } from "../mail/circuit.ts";
import type { MailCount } from "../mail/queue/manage.ts";
import { commandLineActor, print, withInstance } from "./session.ts";

const DEFAULT_LINES = 50;
const MAX_LINES = 100_000;
const IN_PROGRESS: readonly MailState[] = ["queued", "sending", "deferred"];

interface ListOptions {
  readonly state?: MailState;
  readonly server?: string;
  readonly recipient?: string;
  readonly lines: number;
}

/** `queue status|list|retry|cancel`. */
export function queueCommand(): Command {
  return new Command("queue")
    .description("Queued mail")
    .addCommand(statusCommand())
    .addCommand(listCommand())
    .addCommand(retryCommand())
    .addCommand(cancelCommand());
}

function statusCommand(): Command {
  return new Command("status")
    .description("Count messages by state and definition, with the oldest that waits and unavailable servers")
    .action(async () => {
      await withInstance(async ({ services }) => {
        const counts = await services.mailQueue.counts();
        print(...counts.toSorted(byState).map(countLine), oldestLine(counts));
        for (const { identifier } of await services.servers.list()) {
          const health = await services.circuit.health(identifier);
          if (health.circuit !== "closed") print(healthLine(identifier, health));
        }
      });
    });
}

function listCommand(): Command {
  return new Command("list")
    .description("List messages, newest first")
    .addOption(new Option("--state <state>", "only those in this state").choices(MAIL_STATES))
    .option("--server <identifier>", "only those of this definition")
    .option("--recipient <address>", "only those to this address")
    .option("--lines <number>", "maximum number of lines", readLines, DEFAULT_LINES)
    .action(async ({ state, server, recipient, lines }: ListOptions) => {
      const query = {
        ...(state && { state }),
        ...(server !== undefined && { identifier: server }),
        ...(recipient !== undefined && { recipient }),
        page: 1,
        pageSize: lines,
      };
      const { mails, total } = await withInstance(({ services }) => services.mailQueue.page(query));
      for (const mail of mails) print(mailLine(mail));
      if (total > mails.length) print(`${total - mails.length} more`);
    });
}

function retryCommand(): Command {
  return new Command("retry")
    .description("Retry a deferred message now, or one that failed because of its server")
    .argument("<id>")
    .action(async (id: string) => {
      await withInstance(({ services }) => services.mailQueue.retry(id, commandLineActor("queue retry")));
      print(`Message ${id} is due now`);
    });
}

function cancelCommand(): Command {
  return new Command("cancel")
    .description("Cancel a message that is not sent yet")
    .argument("<id>")
    .action(async (id: string) => {
      await withInstance(({ services }) => services.mailQueue.cancel(id, commandLineActor("queue cancel")));
      print(`Message ${id} is cancelled`);
    });
}

function readLines(text: string): number {
  const lines = Number(text);
  if (/^\d+$/.test(text) && lines >= 1 && lines <= MAX_LINES) return lines;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_LINES}.`);
}

function byState(a: MailCount, b: MailCount): number {
  const states = MAIL_STATES.indexOf(a.state) - MAIL_STATES.indexOf(b.state);
  return states === 0 ? nameOf(a).localeCompare(nameOf(b)) : states;
}

function countLine(count: MailCount): string {
  return `${count.state}  ${nameOf(count)}  ${count.count}`;
}

function oldestLine(counts: readonly MailCount[]): string {
  const waiting = counts.filter(({ state }) => IN_PROGRESS.includes(state));
  const [oldest] = waiting.toSorted((a, b) => a.oldest.getTime() - b.oldest.getTime());
  if (!oldest) return "No message waits";
  return `The oldest that waits: ${oldest.oldest.toISOString()}  ${nameOf(oldest)}`;
}

function healthLine(identifier: string, { circuit, since, nextTry, lastFailure }: ServerHealth): string {
  const why = lastFailure ? `: ${lastFailure.code} in phase ${lastFailure.phase}` : "";
  const next = nextTry ? `, next attempt ${nextTry.toISOString()}` : "";
  return `${identifier} is down (${circuit}) since ${since?.toISOString() ?? "now"}${why}${next}`;
}

function mailLine({ id, state, identifier, recipients, createdAt }: QueuedMail): string {
  const addresses = recipients.map(({ address }) => address).join(",");
  const dueAt = state === "sending" ? null : nextDueAt(recipients);
  const next = dueAt === null ? "" : `next attempt ${new Date(dueAt).toISOString()}`;
  const failed = recipients.find(({ failure }) => failure !== null);
  const parts = [id, state, nameOf({ identifier }), addresses, createdAt.toISOString(), next];
  return [...parts, failed?.failure?.code ?? ""].filter((part) => part !== "").join("  ");
}

/** The test of an unsaved definition may have no name. */
function nameOf({ identifier }: { readonly identifier: string }): string {
  return identifier === "" ? "(not saved)" : identifier;
}
