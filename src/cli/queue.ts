import { Command, InvalidArgumentError, Option } from "commander";
import * as v from "valibot";
import { MAIL_STATES, type MailState } from "../domain/queued-mail.ts";
import { mailPageView } from "../http/mail-schema.ts";
import { mailStatsView } from "../http/mail-stats.ts";
import { listDetail } from "../http/smtpserver-schema.ts";
import type { Api } from "./api.ts";
import { table } from "./output.ts";
import { runOnApi } from "./run.ts";

const DEFAULT_LINES = 50;
const MAX_LINES = 100_000;
/** The limit of `GET /mail/`. */
const MAX_PAGE_SIZE = 1_000;
const COUNT_HEADS = ["STATE", "SERVER", "MESSAGES"];
const LIST_HEADS = ["ID", "STATE", "SERVER", "RECIPIENTS", "QUEUED", "NEXT ATTEMPT", "FAILURE"];
const IN_PROGRESS: readonly MailState[] = ["queued", "sending", "deferred"];

type Mail = v.InferOutput<typeof mailPageView>["mails"][number];
type Stats = v.InferOutput<typeof mailStatsView>;
type Definitions = NonNullable<v.InferOutput<typeof listDetail>["servers"]>;
type UnavailableServer = Definitions[string]["health"] & { readonly identifier: string };

interface ListOptions {
  readonly state?: MailState;
  readonly server?: string;
  readonly recipient?: string;
  readonly lines: number;
}

/** `queue status|list|retry|cancel|hold|release`. */
export function queueCommand(): Command {
  return new Command("queue")
    .description("Queued mail")
    .addCommand(statusCommand())
    .addCommand(listCommand())
    .addCommand(
      changeCommand(
        "retry",
        "Retry a deferred message now, or one that failed because of its server",
        "due now",
      ),
    )
    .addCommand(changeCommand("cancel", "Cancel a message that is not sent yet", "cancelled"))
    .addCommand(
      allCommand("hold", "Hold the messages that wait now; those submitted later are sent", (count) =>
        count === 1 ? "1 message is held" : `${count} messages are held`,
      ),
    )
    .addCommand(
      allCommand(
        "release",
        "Send held messages, such as those of a restored instance, and its webhooks",
        (count) => `${messagesAndWebhooks(count)} released`,
      ),
    );
}

function statusCommand(): Command {
  return new Command("status")
    .description(
      "Count messages that wait, and the others of the last 24 hours, with the oldest that waits and unavailable servers",
    )
    .action(async (_, command: Command) => {
      await runOnApi(command, async (api) => {
        const { value } = await api.call({ method: "GET", path: ["mail", "stats"], value: mailStatsView });
        const { detail } = await api.call({
          method: "GET",
          path: ["smtpserver", ""],
          query: { detail: "1", censor: "1" },
          value: v.unknown(),
          detail: listDetail,
        });
        const down = Object.entries(detail.servers ?? {}).flatMap(([identifier, { health }]) =>
          health.circuit === "closed" ? [] : [{ identifier, ...health }],
        );
        const rows = countsOf(value).map(({ state, identifier, count }) => [
          state,
          nameOf({ identifier }),
          count,
        ]);
        const lines = [
          ...table(COUNT_HEADS, rows),
          oldestLine(value.waiting),
          ...heldLines(value),
          ...down.map(healthLine),
        ];
        return { json: { ...value, down }, lines };
      });
    });
}

/** Returns what waits, whenever it was submitted, and the final messages of the last 24 hours, in order of states. */
function countsOf({ waiting, servers }: Stats): readonly Omit<Stats["waiting"][number], "oldest">[] {
  const final = Object.entries(servers).flatMap(([identifier, states]) =>
    MAIL_STATES.filter((state) => !IN_PROGRESS.includes(state)).flatMap((state) => {
      const count = states[state];
      return count === undefined ? [] : [{ state, identifier, count }];
    }),
  );
  const place = ({ state }: { readonly state: MailState }) => MAIL_STATES.indexOf(state);
  return [...waiting, ...final].toSorted((a, b) => place(a) - place(b) || nameOf(a).localeCompare(nameOf(b)));
}

function listCommand(): Command {
  return new Command("list")
    .description("List messages, newest first")
    .addOption(new Option("--state <state>", "only those in this state").choices(MAIL_STATES))
    .option("--server <identifier>", "only those of this definition")
    .option("--recipient <address>", "only those to this address")
    .option("--lines <number>", "maximum number of messages", readLines, DEFAULT_LINES)
    .action(async ({ state, server, recipient, lines }: ListOptions, command: Command) => {
      const filters = {
        ...(state && { state }),
        ...(server !== undefined && { identifier: server }),
        ...(recipient !== undefined && { recipient }),
      };
      await runOnApi(command, async (api) => {
        const { mails, count } = await readPages(api, filters, lines);
        const left = count - mails.length;
        const more = left > 0 ? [`${left} more: see --lines`] : [];
        return { json: { mails, count }, lines: table(LIST_HEADS, mails.map(rowOf)), warnings: more };
      });
    });
}

/** Reads as many pages as it takes to have this many messages. */
async function readPages(api: Api, filters: Readonly<Record<string, string>>, max: number) {
  const mails: Mail[] = [];
  const pageSize = Math.min(max, MAX_PAGE_SIZE);
  for (let page = 1; ; page++) {
    const query = { ...filters, page: String(page), page_size: String(pageSize) };
    const { value } = await api.call({ method: "GET", path: ["mail", ""], query, value: mailPageView });
    mails.push(...value.mails.slice(0, max - mails.length));
    if (value.next === null || mails.length >= max) return { mails, count: value.count };
  }
}

function changeCommand(verb: "retry" | "cancel", description: string, result: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<id>")
    .action(async (id: string, _, command: Command) => {
      await runOnApi(command, async (api) => {
        const path = ["mail", id, verb];
        const { raw } = await api.call({ method: "POST", path, value: v.literal(true) });
        return { json: raw.value, lines: [`Message ${id} is ${result}`] };
      });
    });
}

/** @param resultOf returns the line for the number of those that it changed. */
function allCommand(
  verb: "hold" | "release",
  description: string,
  resultOf: (count: number) => string,
): Command {
  return new Command(verb).description(description).action(async (_, command: Command) => {
    await runOnApi(command, async (api) => {
      const { value } = await api.call({ method: "POST", path: ["mail", verb], value: v.number() });
      return { json: value, lines: [resultOf(value)] };
    });
  });
}

function readLines(text: string): number {
  const lines = Number(text);
  if (/^\d+$/.test(text) && lines >= 1 && lines <= MAX_LINES) return lines;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_LINES}.`);
}

function oldestLine(waiting: Stats["waiting"]): string {
  const [oldest] = waiting.toSorted((a, b) => a.oldest.localeCompare(b.oldest));
  if (!oldest) return "No message waits";
  return `The oldest that waits: ${oldest.oldest}  ${nameOf(oldest)}`;
}

function heldLines({ held }: Stats): string[] {
  if (held === 0) return [];
  return [`${messagesAndWebhooks(held)} held: "queue release" sends ${held === 1 ? "it" : "them"}`];
}

/** Returns a number of messages and webhooks, which nothing counts apart, and the verb after it. */
export function messagesAndWebhooks(count: number): string {
  return count === 1 ? "1 message or webhook is" : `${count} messages and webhooks are`;
}

function healthLine({ identifier, circuit, since, next_try, last_failure }: UnavailableServer): string {
  const why = last_failure ? `: ${last_failure.code} in phase ${last_failure.phase}` : "";
  const next = next_try ? `, next attempt ${next_try}` : "";
  return `${identifier} is down (${circuit}) since ${since ?? "now"}${why}${next}`;
}

function rowOf({ id, state, identifier, recipients, created_at, next_try, held }: Mail) {
  const addresses = recipients.map(({ address }) => address);
  const failed = recipients.find(({ failure }) => failure !== null);
  return [
    id,
    state,
    nameOf({ identifier }),
    addresses,
    created_at,
    held ? "held" : next_try,
    failed?.failure?.code,
  ];
}

/** The test of an unsaved definition may have no name. */
function nameOf({ identifier }: { readonly identifier: string }): string {
  return identifier === "" ? "(not saved)" : identifier;
}
