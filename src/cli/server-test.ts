import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import * as v from "valibot";
import { CHECKPOINTS, type Checkpoint } from "../domain/delivery.ts";
import { parseMailbox } from "../domain/mailbox.ts";
import { TEST_ROUTE } from "../http/smtpserver-schema.ts";
import { testDetail } from "../http/smtpserver-test-schema.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import { type Api, ApiError } from "./api.ts";
import type { Output } from "./output.ts";
import { runOnApi } from "./run.ts";
import { report } from "./server-report.ts";

interface TestOptions {
  readonly to?: string;
  readonly until?: Checkpoint;
  readonly certificate?: string;
}

/** `server test`. */
export function testCommand(): Command {
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
    .action(
      async (identifier: string, address: string | undefined, options: TestOptions, command: Command) => {
        const { to = address, until, certificate } = options;
        const recipient = readRecipient(to, until);
        const recipient_certificate = await readCertificate(certificate, recipient);
        await runOnApi(command, (api) =>
          runTest(api, identifier, { recipient, until, recipient_certificate }),
        );
      },
    );
}

/** Tests a stored definition, and reports what the API shows of it. */
export async function runTest(
  api: Api,
  identifier: string,
  body: { readonly until?: Checkpoint | undefined; readonly [parameter: string]: string | undefined },
): Promise<Output> {
  const { detail, raw } = await api.call({
    method: "POST",
    path: ["smtpserver", identifier, TEST_ROUTE],
    body,
    value: v.boolean(),
    detail: testDetail,
  });
  const { until, recipient } = body;
  const verdict =
    until === undefined
      ? { success: `Delivered to ${recipient}`, failure: "Not delivered" }
      : { success: `Reached ${until}`, failure: `Not reached ${until}`, remark: "; nothing was sent" };
  return { json: raw, ...report(detail, verdict) };
}

/** @throws {ApiError} if the test needs a recipient and has none, or the address is not one mailbox. */
function readRecipient(address: string | undefined, until: Checkpoint | undefined): string | undefined {
  if (address === undefined) {
    if (!needsRecipient(until)) return undefined;
    throw new ApiError("Name the recipient: --to <address>");
  }
  const recipient = parseMailbox(address);
  if (!recipient) throw new ApiError(`"${address}" is not one mailbox`);
  return recipient.address;
}

/** @throws {ApiError} if the file cannot be read, or no recipient is named. */
async function readCertificate(file: string | undefined, recipient: string | undefined) {
  if (file === undefined) return undefined;
  if (recipient === undefined) throw new ApiError("Name the recipient: --to <address>");
  return readFile(file, "utf8").catch(() => {
    throw new ApiError(`Cannot read ${file}: give the path of the PEM file`);
  });
}
