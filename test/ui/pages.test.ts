import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { directory } from "../../plugins/directory/index.ts";
import { emailToken } from "../../plugins/email-token/index.ts";
import { reply, type SmtpTestServer, startSmtpServer, when } from "../../src/testing/smtp/index.ts";
import { CHROMIUM, type PageServer, shoot, startPageServer, violationsOf } from "./fixtures/browser.ts";

setDefaultTimeout(60_000);

let server: PageServer;
let smtp: SmtpTestServer;
let page: Page;

beforeAll(async () => {
  if (CHROMIUM === null) return;
  smtp = await startSmtpServer({
    script: { rcpt: when(/later/, reply("451 4.7.1 Greylisted, please come back later")) },
  });
  server = await startPageServer("", { plugins: [directory(), emailToken()] });
  await server.sealpost.request("/smtpserver/default", {
    json: { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" },
  });
  page = await server.open();
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "Servers" }).waitFor();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await smtp?.[Symbol.asyncDispose]();
});

/** Opens a page by the navigation, and waits until its heading has the focus. */
async function visit(name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
  await page.waitForFunction("document.activeElement?.tagName === 'H1'");
}

/** Asserts what holds on every page, and saves pictures of it. */
async function expectSound(name: string): Promise<void> {
  expect(await violationsOf(page)).toEqual([]);
  await page.setViewportSize({ width: 320, height: 800 });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(320);
  await page.setViewportSize({ width: 1280, height: 800 });
  await shoot(page, name);
}

describe.skipIf(CHROMIUM === null)("the admin page", () => {
  test("sends a message, shows why it waits, and cancels it", async () => {
    await visit("Mail");
    await page.getByText("No message has been queued yet").waitFor();
    await expectSound("mail-empty");
    await server.sealpost.request("/mail/", { json: { to: "bob@example.net", text: "Hello" } });
    await page.getByRole("button", { name: "New message" }).click();
    await page.getByLabel("To", { exact: true }).fill("ann@example.org, later@example.org");
    await page.getByLabel("Subject").fill("<img src=x onerror=alert(1)>");
    await page.getByLabel("Text").fill("Hello");
    await expectSound("compose");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText("The message is queued.").waitFor();
    await server.sealpost.drain();
    await page.getByRole("button", { name: "Show its attempts" }).click();
    await page.getByText("451 4.7.1 Greylisted").waitFor();
    await expectSound("message");
    await page.getByRole("button", { name: "Cancel message" }).click();
    await page.getByRole("button", { name: "Cancel message" }).click();
    await page.getByText("The message is canceled.").waitFor();
    expect(smtp.messages.length).toBe(2);
    await visit("Mail");
    await page.getByRole("link", { name: "ann@example.org" }).waitFor();
    await expectSound("mail");
    await page.getByLabel("Recipient").fill("eve@example.org");
    await page.getByText("Nothing matches these filters.").waitFor();
  });

  test("violates no policy on any page", async () => {
    expect(server.problems).toEqual([]);
    expect(await page.evaluate("window.violations")).toEqual([]);
  });
});
