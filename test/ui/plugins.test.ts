import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { directory } from "../../plugins/directory/index.ts";
import { events } from "../../plugins/events/index.ts";
import { smsGateway } from "../../plugins/sms-gateway/index.ts";
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
  smtp = await startSmtpServer();
  server = await startPageServer("", () => ({ plugins: [directory(), smsGateway(), events()] }));
  await server.sealpost.request("/smtpserver/default", {
    json: { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" },
  });
  page = await server.open();
  await logIn(page);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await smtp?.[Symbol.asyncDispose]();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const field = (name: string) => page.getByLabel(name, { exact: true });

/** Opens a page by the navigation. */
async function visit(name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await page.locator("h1:focus", { hasText: name }).waitFor();
}

/** Asserts what holds on every page, and saves pictures of it. */
async function expectSound(name: string): Promise<void> {
  expect(await violationsOf(page)).toEqual([]);
  await shoot(page, name);
}

describe.skipIf(CHROMIUM === null)("the pages of plugins", () => {
  test("create an SMS gateway, say what is wrong with it, and send a test through it", async () => {
    await visit("SMS gateways");
    await page.getByText("No SMS gateway yet").waitFor();
    await expectSound("gateways-empty");
    await button("New gateway").click();
    await field("Name").fill("default");
    await field("Address").fill("{phone}@sms.example.org");
    await field("Change of the number").fill("/(/00/");
    await button("Save").click();
    await page.locator("[aria-invalid=true]:focus").waitFor();
    await expectSound("gateway-new");
    await field("Change of the number").fill("/^\\+/00/");
    await button("Save").click();
    await page.getByRole("link", { name: "default" }).click();
    await page.getByRole("heading", { level: 1, name: "SMS gateway" }).waitFor();
    expect(await field("Change of the number").inputValue()).toBe("/^\\+/00/");
    await field("Phone number").fill("+49 170 1234567");
    await button("Send a test SMS").click();
    await page.getByText("accepted the message to 00491701234567@sms.example.org").waitFor();
    expect(smtp.messages.at(-1)?.recipients).toEqual(["00491701234567@sms.example.org"]);
    smtp.script("rcpt", reply("550 5.1.1 Unknown user"));
    await button("Send a test SMS").click();
    await page.getByText("The server rejected this recipient.", { exact: true }).waitFor();
    smtp.script("rcpt", undefined);
    await expectSound("gateway");
    await visit("SMS gateways");
    await page.getByRole("link", { name: "default" }).waitFor();
    await expectSound("gateways");
    await button("Delete").click();
    await button("Delete").click();
    await page.getByText("No SMS gateway yet").waitFor();
  });

  test("violate no policy", async () => {
    expect([server.problems, await page.evaluate("window.violations")]).toEqual([[], []]);
  });
});
