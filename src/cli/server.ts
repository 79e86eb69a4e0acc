import { Command } from "commander";
import { parseEndpoint } from "../domain/endpoint.ts";
import { parseMailbox } from "../domain/mailbox.ts";
import { SealpostError } from "../errors.ts";
import { hintFor } from "../mail/hints.ts";
import type { ServerView } from "../mail/servers.ts";
import type { SubmitResult } from "../mail/submit.ts";
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

function testCommand(): Command {
  return new Command("test")
    .description("Send a real test mail through a stored definition")
    .argument("<identifier>")
    .argument("<recipient>")
    .action(async (identifier: string, address: string) => {
      const recipient = parseMailbox(address);
      if (!recipient) throw new SealpostError("invalid_parameter", `"${address}" is not one mailbox`);
      await withInstance(async ({ services }) => {
        const server = await services.servers.get(identifier);
        if (!server) throw new SealpostError("resource_not_found", `There is no definition "${identifier}"`);
        const actor = commandLineActor("server test");
        report(await services.testMail.sendStored({ identifier, recipient }, actor), server, address);
      });
    });
}

function report(result: SubmitResult, server: ServerView, recipient: string): void {
  if (result.smime?.signed === false) print(`Not signed: ${result.smime.reason}`);
  if (result.state === "delivered") {
    const reply = result.recipients[0]?.receipt;
    const words = reply?.successful && reply.reply ? `: ${reply.reply.code} ${reply.reply.text}` : "";
    print(`Delivered to ${recipient}${result.smime?.signed ? ", signed" : ""}${words}`);
    return;
  }
  if (result.state === "queued") {
    print(`Queued for ${recipient} as mail ${result.mailId}`);
    return;
  }
  const { phase, code, reply } = result.failure;
  const endpoint = parseEndpoint(server);
  print(`Not delivered: ${code} in phase ${phase}${reply ? ` (${reply.code} ${reply.text})` : ""}`);
  const hint =
    endpoint &&
    hintFor(result.failure, { ...endpoint, server: server.server, username: server.username, reply });
  if (hint) print(hint.text);
  process.exitCode = 1;
}

function lineOf({ identifier, server, port, tls, smime, description }: ServerView): string {
  const endpoint = parseEndpoint({ server, port, tls });
  const where = endpoint ? `${endpoint.host}:${endpoint.port} ${endpoint.security}` : server;
  const parts = [identifier, where, smime ? "signed" : "unsigned", description.split("\n")[0] ?? ""];
  return parts.filter((part) => part !== "").join("  ");
}
