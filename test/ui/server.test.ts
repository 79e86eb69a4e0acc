import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import {
  close,
  type Misbehavior,
  reply,
  type ServerStep,
  type SmtpTestServer,
  startSmtpServer,
} from "../../src/testing/smtp/index.ts";
import {
  CHROMIUM,
  logIn,
  type PageServer,
  pageOpened,
  shoot,
  startPageServer,
  violationsOf,
} from "./fixtures/browser.ts";

setDefaultTimeout(60_000);

let server: PageServer;
let smtp: SmtpTestServer;
let page: Page;
beforeAll(async () => {
  if (CHROMIUM === null) return;
  smtp = await startSmtpServer({ users: { "app@example.org": "mail-password" } });
  server = await startPageServer();
  page = await server.open();
  await logIn(page);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await smtp?.[Symbol.asyncDispose]();
});

const DEFINITION = {
  server: "127.0.0.1",
  username: "app@example.org",
  password: "mail-password",
  sender: "app@example.org",
};
const button = (name: string) => page.getByRole("button", { name, exact: true });
const field = (name: string) => page.getByLabel(name, { exact: true });

interface Failure {
  readonly phase: string;
  /** What is wrong. Only the headline says it. */
  readonly sentence: string | RegExp;
  /** Where the server misbehaves. */
  readonly step?: ServerStep;
  /** Its reply, or what it does in place of one. */
  readonly line?: string;
  readonly misbehavior?: Misbehavior;
  /** Whether it is the server with a certificate of an unknown authority. */
  readonly isSecure?: boolean;
  readonly own?: object;
}

const FAILURES: readonly Failure[] = [
  { phase: "Connection", sentence: "Nothing is listening on port 1.", own: { port: 1 } },
  {
    phase: "Greeting",
    step: "greeting",
    line: "554 5.3.2 No service here",
    sentence: "The server was reached, but it does not accept mail from this machine.",
  },
  {
    phase: "EHLO",
    step: "ehlo",
    misbehavior: close(),
    sentence: "The server closed the connection before it replied.",
  },
  {
    phase: "STARTTLS",
    sentence: /^The server does not offer STARTTLS on port \d+\.$/,
    own: { tls: true },
  },
  {
    phase: "Certificate",
    isSecure: true,
    sentence: "The certificate's authority is unknown here.",
  },
  {
    phase: "Login",
    step: "credentials",
    line: "535 5.7.8 Bad credentials",
    sentence: "The server rejected username and password.",
  },
  {
    phase: "Sender",
    step: "mail",
    line: "550 5.7.1 Sender denied",
    sentence: "The server rejected the sender.",
  },
  {
    phase: "Recipient",
    step: "rcpt",
    line: "550 5.1.1 Unknown user",
    sentence: "The server rejected this recipient.",
  },
  {
    phase: "Message",
    step: "body",
    line: "554 5.7.1 Spam",
    sentence: "The server rejected the content of the message.",
  },
];
const PASSED = /^(done|not needed)$/;
const STATE = /(done|not needed|failed|not reached)$/;

/** Returns each phase of the ladder with its state, as a screen reader reads them. */
async function rungs(): Promise<readonly (readonly [phase: string, state: string])[]> {
  const all = await page.getByRole("list", { name: "Phases" }).getByRole("listitem").all();
  return Promise.all(
    all.map(async (rung) => {
      const text = (await rung.textContent()) ?? "";
      const [state = ""] = STATE.exec(text) ?? [];
      return [(await rung.locator(".phase").textContent()) ?? "", state] as const;
    }),
  );
}

describe.skipIf(CHROMIUM === null)("a server on the admin page", () => {
  test("is created, checked, and sends a test message, by its fields alone", async () => {
    await button("New server").click();
    await pageOpened(page, "New server");
    await field("Name").fill("main");
    await field("Server").fill("127.0.0.1");
    await field("Port").fill(String(smtp.port));
    await field("User name").fill("app@example.org");
    await field("Password").fill("mail-password");
    await field("Sender").fill("app@example.org");
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "server-new");
    await button("Save").click();
    await pageOpened(page, "Test main");
    await button("Check without sending").click();
    await page.getByText("The server would accept it. Nothing was sent.").waitFor();
    expect(smtp.messages).toHaveLength(0);
    await field("Send to").fill("ann@example.net");
    await button("Test").click();
    await page.getByText("The server accepted the message.").waitFor();
    // As over HTTP from another machine.
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
    await button("Copy as a report").click();
    const report = await field("Report").inputValue();
    expect(report).toContain("Result: success");
    expect(report).not.toContain("mail-password");
    expect(smtp.messages).toMatchObject([{ from: "app@example.org", recipients: ["ann@example.net"] }]);
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "test-delivered");
    expect(await page.content()).not.toContain("mail-password");
  });

  test("a test that fails fills the ladder up to its phase, with the reply", async () => {
    await using secure = await startSmtpServer({ security: "starttls" });
    const { port } = smtp;
    for (const failure of FAILURES) {
      const { phase, step, line = "", misbehavior = reply(line), sentence, own = {} } = failure;
      if (step) smtp.script(step, misbehavior);
      const target = failure.isSecure ? { port: secure.port, tls: true } : { port, tls: false };
      // Another version of the definition has connections of its own.
      const json = { ...DEFINITION, ...target, ...own, description: phase };
      await server.sealpost.request("/smtpserver/main", { json });
      await button("Test").click();
      await page.locator(".notice").getByText(sentence, { exact: true }).waitFor();
      const states = await rungs();
      const end = states.findIndex(([name]) => name === phase);
      expect([phase, states[end]?.[1]]).toEqual([phase, "failed"]);
      for (const [index, [name, state]] of states.entries()) {
        if (index < end) expect([phase, name, state]).toEqual([phase, name, expect.stringMatching(PASSED)]);
        if (index > end) expect([phase, name, state]).toEqual([phase, name, "not reached"]);
      }
      if (line) await page.getByText(line.slice("550 5.1.1 ".length)).waitFor();
      await shoot(page, `test-failed-${phase.toLowerCase().replaceAll(" ", "-")}`);
      if (step) smtp.script(step, undefined);
    }
    expect(await violationsOf(page)).toEqual([]);
  });

  test("a remedy with one value changes the field that mends the failure", async () => {
    await using strict = await startSmtpServer({
      script: { mail: reply("530 5.7.0 Must issue a STARTTLS command first") },
    });
    const json = { server: "127.0.0.1", port: strict.port, sender: "app@example.org" };
    await server.sealpost.request("/smtpserver/mended", { json });
    await page.evaluate('location.hash = "#/test/mended"');
    await page.getByRole("heading", { level: 1, name: "Test mended" }).waitFor();
    await button("Check without sending").click();
    await button("Set “Encryption” to STARTTLS").click();
    await page.getByRole("heading", { level: 1, name: "Edit mended" }).waitFor();
    await page.locator("[name=encryption]:focus").waitFor();
    expect(await field("Encryption").inputValue()).toBe("starttls");
    await button("Save").click();
    await page.getByRole("heading", { level: 1, name: "Test mended" }).waitFor();
    const { result } = JSON.parse(await (await server.sealpost.request("/smtpserver/mended")).text());
    expect(result.value.tls).toBe(true);
  });
});
