import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { reply, type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import {
  CHROMIUM,
  logIn,
  type PageServer,
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

describe.skipIf(CHROMIUM === null)("a server on the admin page", () => {
  test("is created, checked, and sends a test message, by its fields alone", async () => {
    await button("New server").click();
    await field("Name").fill("main");
    await field("Server").fill("127.0.0.1");
    await field("Port").fill(String(smtp.port));
    await field("User name").fill("app@example.org");
    await field("Password").fill("mail-password");
    await field("Sender").fill("app@example.org");
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "server-new");
    await button("Save").click();
    await page.getByRole("heading", { level: 1, name: "Test main" }).waitFor();
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

  test.each([
    ["auth", "535 5.7.8 Bad credentials", "credentials", "The server rejected the login.", "Login"],
    ["sender", "550 5.7.1 Sender denied", "mail", "The server rejected the sender.", "Sender"],
    ["recipient", "550 5.1.1 Unknown user", "rcpt", "The server rejected this recipient.", "Recipient"],
    ["data", "554 5.7.1 Spam", "body", "The server rejected the message.", "Message"],
  ] as const)(
    "a test that fails in the phase %s says so, with the reply %s",
    async (_, line, step, sentence, phase) => {
      smtp.script(step, reply(line));
      // Another version of the definition has connections of its own.
      await server.sealpost.request("/smtpserver/main", {
        json: { ...DEFINITION, port: smtp.port, description: step },
      });
      await button("Test").click();
      await page.getByText(sentence, { exact: true }).waitFor();
      const failed = page.getByRole("listitem").filter({ hasText: "failed" });
      expect(await failed.count()).toBe(1);
      expect(await failed.textContent()).toContain(phase);
      await page.getByText(line.slice("550 5.1.1 ".length)).waitFor();
      expect(await violationsOf(page)).toEqual([]);
      await shoot(page, `test-failed-${step}`);
      smtp.script(step, undefined);
    },
  );

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
