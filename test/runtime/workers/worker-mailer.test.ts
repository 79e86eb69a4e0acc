import { testTransport } from "../../contract/transport.ts";
import { reply } from "../../fixtures/smtp/misbehaviour.ts";
import { startSmtpServer } from "../../fixtures/smtp/server.ts";
import { serverAt } from "../../transport/support.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

const workers = await serveTransports();

testTransport("worker-mailer in workerd", async () => {
  const server = await startSmtpServer();
  const transport = await workers.open("worker-mailer");
  return {
    transport,
    server: serverAt(server.port),
    arrived: () => server.mails.map((mail) => ({ ...mail, recipient: mail.recipients.join() })),
    refuseRecipients: () => server.script("rcpt", reply("550 5.1.1 No such user")),
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});
