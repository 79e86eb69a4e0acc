import { beforeAll, describe, expect, test } from "bun:test";
import { CHECKPOINTS } from "../../src/domain/delivery.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { testInstance } from "../fixtures/instance.ts";
import { makeTlsMaterial, openssl, type TlsMaterial } from "../fixtures/smtp/tls.ts";
import { makeTransport } from "../transport/support.ts";

const SERVER_CHECKPOINTS = CHECKPOINTS.filter((point) => point !== "oauth");
const PASSWORD = "smtp-secret-9";

/** Command verbs that a check up to this point needs, in order; RSET may come before QUIT. */
const COMMANDS: Readonly<Record<(typeof SERVER_CHECKPOINTS)[number], readonly string[]>> = {
  connect: ["EHLO", "QUIT"],
  tls: ["EHLO", "STARTTLS", "EHLO", "QUIT"],
  auth: ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"],
  sender: ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "QUIT"],
  recipient: ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "QUIT"],
};

if (openssl === null) console.warn("openssl is missing: checks under TLS are not tried");

describe.skipIf(openssl === null)("a check", () => {
  let material: TlsMaterial;
  beforeAll(() => {
    material = makeTlsMaterial();
  });

  test.each(SERVER_CHECKPOINTS)(
    "until %s sends only the commands that it needs, and then QUIT",
    async (until) => {
      await using smtp = await startSmtpServer({
        ...{ security: "starttls", tls: material.good, users: { mailer: PASSWORD } },
      });
      await using instance = await testInstance({ transport: makeTransport({ extraCa: [material.ca] }) });
      const definition = {
        server: `localhost:${smtp.port}`,
        tls: true,
        username: "mailer",
        password: PASSWORD,
        sender: "a@example.org",
      };
      await instance.request("POST", "/smtpserver/office", { json: definition });
      const { status, value, detail, text } = await instance.request(
        "POST",
        "/smtpserver/office/send_test_email",
        { json: { until, recipient: "b@example.net" } },
      );
      expect([status, value]).toEqual([200, true]);
      expect(detail?.delivery).toMatchObject({ outcome: "not-sent", reached: until });
      const isUnderTls = until !== "connect";
      expect(detail?.server).toMatchObject({
        extensions: { clear: expect.arrayContaining(["STARTTLS"]), tls: isUnderTls ? expect.any(Array) : [] },
        size: 10_485_760,
        tls: isUnderTls
          ? { protocol: "TLSv1.3", chain: [{ subject: expect.stringContaining("CN=") }, {}] }
          : null,
        addresses: expect.arrayContaining([
          { address: "127.0.0.1", result: "connected", ms: expect.any(Number) },
        ]),
      });
      expect(text).not.toContain(PASSWORD);
      await smtp.closed();
      const commands = smtp.connections.flatMap((connection) => connection.commands);
      const verbs = commands.flatMap((line) => line.split(/[ :]/).slice(0, 1));
      expect(verbs.filter((verb) => verb !== "RSET")).toEqual([...COMMANDS[until]]);
      expect(commands.filter((line) => line.includes("SIZE="))).toEqual([]);
      expect([...smtp.messages, ...smtp.unaccepted]).toEqual([]);
    },
  );
});
