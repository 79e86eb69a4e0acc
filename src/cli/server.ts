import { Command, Option } from "commander";
import { CHECKPOINTS, type Checkpoint, type Failure, type Receipt } from "../domain/delivery.ts";
import { parseEndpoint } from "../domain/endpoint.ts";
import { type Mailbox, parseMailbox } from "../domain/mailbox.ts";
import { SealpostError } from "../errors.ts";
import { hintFor } from "../mail/hints/hint-for.ts";
import type { CheckResult } from "../mail/servers/check.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import type { SubmitResult } from "../mail/submission.ts";
import { reportLines } from "./server-report.ts";
import { commandLineActor, print, withInstance } from "./session.ts";

/** `server list`, `server test`. */
export function serverCommand(): Command {
  return new Command("server")
    .description("SMTP server definitions")
    .addCommand(listCommand())
    .addCommand(testCommand());
}

function listCommand(): Command {
  return new Command("list").description("List the definitions").action(async () => {
    const servers = await withInstance(({ services }) => services.servers.list());
    for (const server of servers) print(lineOf(server));
  });
}

interface TestOptions {
  readonly to?: string;
  readonly until?: Checkpoint;
}

function testCommand(): Command {
  return new Command("test")
    .description("Send a test message through a stored definition, or check its server without sending")
    .argument("<identifier>")
    .argument("[recipient]", "the same as --to")
    .option("--to <address>", "recipient; not needed with --until that ends before recipient")
    .addOption(
      new Option("--until <point>", "check the server up to this point and send nothing").choices(
        CHECKPOINTS,
      ),
    )
    .action(async (identifier: string, address: string | undefined, { to, until }: TestOptions) => {
      const recipient = readRecipient(to ?? address, until);
      await withInstance(async ({ services }) => {
        const server = await services.servers.get(identifier);
        if (!server) throw new SealpostError("resource_not_found", `There is no definition "${identifier}"`);
        const actor = commandLineActor("server test");
        if (until !== undefined) {
          reportCheck(await services.testMail.checkStored(identifier, { until, recipient }, actor), server);
        } else if (recipient !== null) {
          report(await services.testMail.sendStored({ identifier, recipient }, actor), server, recipient);
        }
      });
    });
}

/** @throws {SealpostError} if the test needs a recipient and has none, or the address is not one mailbox. */
function readRecipient(address: string | undefined, until: Checkpoint | undefined): Mailbox | null {
  if (address === undefined) {
    if (!needsRecipient(until)) return null;
    throw new SealpostError("missing_parameter", "Name the recipient: --to <address>");
  }
  const recipient = parseMailbox(address);
  if (!recipient) throw new SealpostError("invalid_parameter", `"${address}" is not one mailbox`);
  return recipient;
}

function report(result: SubmitResult, server: StoredDefinition, { address }: Mailbox): void {
  if (result.state === "queued") {
    print(`Queued for ${address} as mail ${result.mailId}`);
    return;
  }
  const receipt = result.recipients[0]?.receipt;
  if (receipt) printLines(reportLines(receipt));
  if (result.smime?.signed === false) print(`Not signed: ${result.smime.reason}`);
  if (result.state === "failed") reportFailure("Not delivered", result.failure, server);
  else print(`Delivered to ${address}${result.smime?.signed ? ", signed" : ""}${wordsOf(receipt)}`);
}

function reportCheck({ until, receipt }: CheckResult, server: StoredDefinition): void {
  printLines(reportLines(receipt));
  if (receipt.successful) print(`Reached ${until}${wordsOf(receipt)}; nothing was sent`);
  else reportFailure(`Not reached ${until}`, receipt.failure, server);
}

function reportFailure(verdict: string, failure: Failure, server: StoredDefinition): void {
  const { phase, code, reply } = failure;
  const endpoint = parseEndpoint(server);
  print(`${verdict}: ${code} in phase ${phase}${reply ? ` (${reply.code} ${reply.text})` : ""}`);
  const hint =
    endpoint && hintFor(failure, { ...endpoint, server: server.server, username: server.username, reply });
  if (hint) print(hint.text);
  process.exitCode = 1;
}

function wordsOf(receipt: Receipt | undefined): string {
  return receipt?.successful && receipt.reply ? `: ${receipt.reply.code} ${receipt.reply.text}` : "";
}

function printLines(lines: readonly string[]): void {
  if (lines.length > 0) print(...lines);
}

function lineOf({ identifier, server, port, tls, smime, description }: StoredDefinition): string {
  const endpoint = parseEndpoint({ server, port, tls });
  const where = endpoint ? `${endpoint.host}:${endpoint.port} ${endpoint.security}` : server;
  const parts = [identifier, where, smime ? "signed" : "unsigned", description.split("\n")[0] ?? ""];
  return parts.filter((part) => part !== "").join("  ");
}
