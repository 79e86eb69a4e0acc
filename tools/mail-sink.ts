import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import PostalMime from "postal-mime";
import { type ReceivedMessage, startSmtpServer } from "../src/testing/smtp/index.ts";

/** For the walks of the documentation: a mail server that delivers into files. Usage: mail-sink.ts [port] [folder] */
const [, , port = "2525", folder = "data/mail"] = process.argv;

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await using server = await startSmtpServer({ port: Number(port) });
process.stdout.write(`Mail for 127.0.0.1:${server.port} is written to ${folder}/<recipient>.txt\n`);
for (let count = 1; ; count++) {
  await server.untilAccepted(count);
  const message = server.messages[count - 1];
  if (message !== undefined) await store(message);
}

/** Writes subject and text, decoded. The next message to the same recipient replaces them. */
async function store({ bytes, recipients }: ReceivedMessage): Promise<void> {
  const { subject = "", text = "" } = await PostalMime.parse(bytes);
  for (const recipient of recipients) {
    const file = join(folder, `${encodeURIComponent(recipient).replaceAll("%40", "@")}.txt`);
    await Bun.write(`${file}.new`, `Subject: ${subject}\n\n${text}`);
    // At once, so that no reader finds a part of it.
    await rename(`${file}.new`, file);
  }
}
