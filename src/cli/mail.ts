import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command } from "commander";
import { mailSendDetail, sentMailView } from "../http/mail-send-schema.ts";
import { ApiError } from "./api.ts";
import { runOnApi } from "./run.ts";
import { report } from "./server-report.ts";
import { readInput } from "./stdin.ts";

interface SendOptions {
  readonly server?: string;
  readonly from?: string;
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly textStdin?: boolean;
  readonly htmlFile?: string;
  readonly attach?: readonly string[];
  readonly sendAt?: string;
  readonly queue?: boolean;
}

/** `mail send`. */
export function mailCommand(): Command {
  return new Command("mail").description("Messages of your own").addCommand(sendCommand());
}

function sendCommand(): Command {
  return new Command("send")
    .description("Send a message through a definition")
    .option("--server <identifier>", "definition, or several in the order of failover, comma-separated")
    .option("--from <mailbox>", "the sender of the definition, or an address of its certificate")
    .requiredOption("--to <mailboxes...>", "recipients, such as 'Ann <ann@example.org>'")
    .option("--cc <mailboxes...>", "recipients of a copy")
    .option("--bcc <mailboxes...>", "recipients that no header names")
    .option("--subject <text>", "subject", "")
    .option("--text <text>", "the text")
    .option("--text-stdin", "read the text from standard input")
    .option("--html-file <file>", "read the HTML from a file")
    .option("--attach <files...>", "files to attach, at most 10 MiB in all")
    .option("--send-at <time>", "RFC 3339, within 30 days")
    .option("--queue", "queue the message, the default")
    .option("--no-queue", "send now, and report what the mail server replied")
    .action(async (options: SendOptions, command: Command) => {
      const body = await toParameters(options);
      await runOnApi(command, async (api) => {
        const request = { method: "POST", path: ["mail", ""], body } as const;
        const { value, detail, raw } = await api.call({
          ...request,
          value: sentMailView,
          detail: mailSendDetail,
        });
        const { delivery, smime } = detail;
        if (delivery === undefined) {
          const lines = [`Message ${value.id} is ${value.state}`];
          return { json: raw, lines, isFailure: value.state === "failed" };
        }
        const verdict = {
          success: `Message ${value.id} is sent`,
          failure: `Message ${value.id} is not sent`,
        };
        return { json: raw, ...report({ delivery, smime }, verdict) };
      });
    });
}

/** @throws {ApiError} for a file that cannot be read. */
async function toParameters(options: SendOptions) {
  const { server, from, to, cc, bcc, subject, text, textStdin, htmlFile, attach, sendAt, queue } = options;
  if (text !== undefined && textStdin) throw new ApiError("Give --text or --text-stdin, not both");
  const attachments = attach && (await Promise.all(attach.map(readAttachment)));
  const html = htmlFile === undefined ? undefined : (await readBytes(htmlFile)).toString("utf8");
  return {
    server,
    from,
    to,
    cc,
    bcc,
    subject,
    html,
    attachments,
    queue,
    text: textStdin ? await readInput() : text,
    send_at: sendAt,
  };
}

async function readAttachment(file: string) {
  return { filename: basename(file), content: (await readBytes(file)).toString("base64") };
}

function readBytes(file: string): Promise<Buffer> {
  return readFile(file).catch(() => {
    throw new ApiError(`Cannot read ${file}: give the path of a file`);
  });
}
