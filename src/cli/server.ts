import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { CHECKPOINTS, type Checkpoint } from "../domain/delivery.ts";
import { parseEndpoint } from "../domain/endpoint.ts";
import { type Mailbox, parseMailbox } from "../domain/mailbox.ts";
import { SealpostError } from "../errors.ts";
import { toCheckDetail, toTestDetail } from "../http/smtpserver-test-schema.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import { noticeDetail } from "../wire/envelope.ts";
import { addCommand } from "./server-add.ts";
import { loginCommand } from "./server-login.ts";
import { report } from "./server-report.ts";
import { commandLineActor, print, withInstance } from "./session.ts";

/** `server list|add|test|login`. */
export function serverCommand(): Command {
  return new Command("server")
    .description("SMTP server definitions")
    .addCommand(listCommand())
    .addCommand(addCommand())
    .addCommand(testCommand())
    .addCommand(loginCommand());
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
  readonly certificate?: string;
}

function testCommand(): Command {
  return new Command("test")
    .description("Send a test message through a stored definition, or check its server without sending")
    .argument("<identifier>")
    .argument("[recipient]", "the same as --to")
    .option("--to <address>", "recipient; not needed if --until ends before recipient")
    .addOption(
      new Option("--until <point>", "check the server up to this point and send nothing").choices(
        CHECKPOINTS,
      ),
    )
    .option("--certificate <file>", "certificate of the recipient (PEM), if the definition encrypts")
    .action(async (identifier: string, address: string | undefined, options: TestOptions) => {
      const { to, until } = options;
      const recipient = readRecipient(to ?? address, until);
      const certificates = await readCertificates(options.certificate, recipient);
      await withInstance(async ({ services }) => {
        const server = await services.servers.get(identifier);
        if (!server) throw new SealpostError("resource_not_found", `There is no definition "${identifier}"`);
        await services.testMail.assertCertificate(certificates);
        const actor = commandLineActor("server test");
        if (until !== undefined) {
          const check = { until, recipient };
          const { result, notices } = await services.testMail.checkStored(identifier, check, actor);
          const verdict = { success: `Reached ${until}`, failure: `Not reached ${until}` };
          report(
            { ...toCheckDetail(result, server), ...noticeDetail(notices) },
            { ...verdict, remark: "; nothing was sent" },
          );
        } else if (recipient !== null) {
          const { result, notices } = await services.testMail.sendStored({ identifier, recipient }, actor, {
            certificates,
          });
          const verdict = { success: `Delivered to ${recipient.address}`, failure: "Not delivered" };
          report({ ...toTestDetail(result, server, false), ...noticeDetail(notices) }, verdict);
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

/** @throws {SealpostError} if the file cannot be read, or no recipient is named. */
async function readCertificates(
  file: string | undefined,
  recipient: Mailbox | null,
): Promise<Readonly<Record<string, string>>> {
  if (file === undefined) return {};
  if (!recipient) throw new SealpostError("missing_parameter", "Name the recipient: --to <address>");
  const pem = await readFile(file, "utf8").catch(() => {
    throw new SealpostError("invalid_parameter", `Cannot read ${file}: give the path of the PEM file`);
  });
  return { [recipient.address]: pem };
}

function lineOf({ identifier, server, port, tls, smime, description }: StoredDefinition): string {
  const endpoint = parseEndpoint({ server, port, tls });
  const where = endpoint ? `${endpoint.host}:${endpoint.port} ${endpoint.security}` : server;
  const fields = [identifier, where, smime ? "signed" : "unsigned", description.split("\n")[0] ?? ""];
  return fields.filter((field) => field !== "").join("  ");
}
