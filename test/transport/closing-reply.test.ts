import { expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { type Script, type SmtpTestServerOptions, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

const CLOSING = "421 4.3.2 Shutting down";
/** The proper reply and a 421, in one segment. */
const CLOSES = mis.then(mis.replyAndClose(CLOSING));
const USERS = { user: "a password" };
const LOGIN = { username: "user", password: new Secret("a password") };

interface Row {
  readonly step: string;
  readonly script: Script;
  readonly phase: string;
  readonly mechanisms?: readonly string[];
}

const ROWS: readonly Row[] = [
  { step: "the greeting", script: { greeting: CLOSES }, phase: "greeting" },
  { step: "the reply to EHLO", script: { ehlo: CLOSES }, phase: "ehlo" },
  { step: "the reply to STARTTLS", script: { starttls: mis.reply("220 Go", CLOSING) }, phase: "starttls" },
  { step: "the reply to EHLO under TLS", script: { "ehlo-tls": CLOSES }, phase: "ehlo" },
  { step: "a challenge", script: { auth: CLOSES }, phase: "auth", mechanisms: ["LOGIN"] },
  { step: "the reply to the login", script: { auth: CLOSES }, phase: "auth", mechanisms: ["PLAIN"] },
  { step: "the reply to MAIL", script: { mail: CLOSES }, phase: "sender" },
  { step: "the reply to RCPT", script: { rcpt: CLOSES }, phase: "recipient" },
  { step: "the reply to DATA", script: { data: CLOSES }, phase: "data" },
];

async function sendOnce(options: SmtpTestServerOptions) {
  await using server = await startSmtpServer({ security: "starttls", users: USERS, ...options });
  await using transport = makeTransport({ extraCa: [server.ca ?? ""] });
  const settings = { host: "localhost", security: "starttls", ...LOGIN, pipelining: "off" } as const;
  const receipt = await sendTo(transport, serverAt(server.port, settings));
  return { receipt, arrived: server.messages.length };
}

for (const { step, script, phase, mechanisms = ["PLAIN"] } of ROWS) {
  test(`a 421 that arrives together with ${step} is rate_limited`, async () => {
    const { receipt, arrived } = await sendOnce({ script, mechanisms });
    const reply = { code: 421, enhanced: "4.3.2", text: "Shutting down" };
    expect(receipt).toMatchObject({
      successful: false,
      failure: { phase, code: "rate_limited", outcome: "not-sent", retryable: true, reply },
    });
    expect(arrived).toBe(0);
  });
}

test("a 421 of which only the start arrives together with the reply to EHLO closes the connection", async () => {
  const cut: mis.Misbehavior = (peer) => {
    peer.write("421-4.3.2 Shut");
    peer.after(20, () => peer.end("ting down\r\n421 4.3.2 Bye\r\n"));
  };
  const { receipt } = await sendOnce({ script: { ehlo: mis.then(cut) } });
  expect(receipt).toMatchObject({
    successful: false,
    failure: { phase: "ehlo", code: "closed", outcome: "not-sent", retryable: true },
  });
});

test("any other reply together with the one to STARTTLS breaks the protocol (RFC 3207 6)", async () => {
  for (const line of ["250 Injected", "235 2.7.0 Welcome", "550 5.7.1 No", "421-Not whole"]) {
    const { receipt } = await sendOnce({ script: { starttls: mis.reply("220 Go", line) } });
    expect(receipt).toMatchObject({ failure: { phase: "starttls", code: "protocol", outcome: "not-sent" } });
  }
});
