import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { directory } from "../../plugins/directory/index.ts";
import { events } from "../../plugins/events/index.ts";
import { smsGateway } from "../../plugins/sms-gateway/index.ts";
import { reply, type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import {
  CHROMIUM,
  formRejected,
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
  await pageOpened(page, name);
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
    await pageOpened(page, "New gateway");
    await field("Name").fill("default");
    await field("Address").fill("{phone}@sms.example.org");
    await field("Change of the number").fill("/(/00/");
    await button("Save").click();
    await formRejected(page);
    await expectSound("gateway-new");
    await field("Change of the number").fill("/^\\+/00/");
    await button("Save").click();
    await page.getByRole("link", { name: "default" }).click();
    await pageOpened(page, "SMS gateway");
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

  test("let a message be sent on an event, switch it off, and delete it", async () => {
    await visit("Events");
    await page.getByText("Nothing is sent on events yet").waitFor();
    await expectSound("events-empty");
    await button("New event").click();
    await pageOpened(page, "New event");
    await field("Name").fill("ops");
    await field("mail_failed").check();
    await field("Find an event").fill("user_a");
    await field("user_add").check();
    await field("Find an event").fill("");
    await field("Addresses, comma-separated").fill("not an address");
    await button("Save").click();
    await page.getByText("This value is not valid. (expected email addresses, comma-separated)").waitFor();
    await formRejected(page);
    await expectSound("event-new");
    await field("Addresses, comma-separated").fill("ops@example.org");
    await field("Subject").fill("{event}: {username}");
    await button("Save").click();
    await page.getByText("ops@example.org").waitFor();
    await server.sealpost.request("/user/", { json: { username: "ann", email: "ann@example.org" } });
    await server.sealpost.settled();
    await server.sealpost.drain();
    expect(smtp.messages.at(-1)?.recipients).toEqual(["ops@example.org"]);
    await expectSound("events");
    await button("Disable").click();
    await page.getByText("Disabled", { exact: true }).waitFor();
    await page.getByRole("link", { name: "ops" }).click();
    await pageOpened(page, "Event");
    expect(await field("Subject").inputValue()).toBe("{event}: {username}");
    expect(await field("user_add").isChecked()).toBe(true);
    await button("Save").click();
    await button("Delete").click();
    await button("Delete").click();
    await page.getByText("Nothing is sent on events yet").waitFor();
  });

  test("let a webhook be called on an event, keep its key, and list its deliveries", async () => {
    await button("New event").click();
    await pageOpened(page, "New event");
    await field("Name").fill("hook");
    await field("Find an event").fill("user_add");
    await field("user_add").check();
    await field("Action").selectOption("webhook");
    await field("URL").fill("https://hooks.example.org/sealpost");
    await button("Create a key").click();
    const key = await field("Key of the signatures").inputValue();
    expect(key).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await expectSound("event-webhook");
    await button("Save").click();
    await page.getByText("https://hooks.example.org/sealpost").waitFor();
    await page.getByRole("link", { name: "hook", exact: true }).click();
    await pageOpened(page, "Event");
    await page.getByText("Empty to keep the stored key").waitFor();
    await field("URL").fill("https://hooks.example.org/other");
    await button("Save").click();
    await page.getByText("required again, because option.url changed").waitFor();
    await formRejected(page);
    await field("URL").fill("https://hooks.example.org/sealpost");
    await field("Name").fill("renamed");
    await button("Save").click();
    await page.getByRole("link", { name: "renamed", exact: true }).waitFor();
    expect(await page.content()).not.toContain(key);
    await button("Webhook deliveries").click();
    await page.getByText("No webhook was called yet.").waitFor();
    await server.sealpost.request("/user/", { json: { username: "bob" } });
    await server.sealpost.settled();
    await page.getByRole("rowheader", { name: "renamed" }).waitFor();
    await page.getByText("https://hooks.example.org", { exact: true }).waitFor();
    await page.getByText("Due now", { exact: true }).waitFor();
    await expectSound("webhooks");
  });

  test("show a person to an API key that may read people alone, and say if there is none", async () => {
    const created = await server.sealpost.request("/apikey/", {
      json: { name: "reader", rights: ["userlist"] },
    });
    const { result } = JSON.parse(await created.text());
    const own = await server.open();
    await own.getByRole("button", { name: "Use an API key" }).click();
    await own.getByLabel("API key", { exact: true }).fill(result.value.key);
    await own.getByRole("button", { name: "Log in" }).click();
    await own.getByRole("link", { name: "ann" }).click();
    await pageOpened(own, "ann");
    expect(await own.getByLabel("Email", { exact: true }).inputValue()).toBe("ann@example.org");
    await own.waitForLoadState("networkidle");
    expect(await own.getByText("Loading …").count()).toBe(0);
    expect(await own.getByRole("heading", { name: "Tokens" }).count()).toBe(0);
    expect(await violationsOf(own)).toEqual([]);
    await own.evaluate('location.hash = "#/person/nobody"');
    await own.getByText("There is no such person.").waitFor();
    await own.context().close();
  });

  test("are in German as well", async () => {
    await page.getByLabel("Language").selectOption("de");
    await visit("Ereignisse");
    await page.getByText("Webhook aufrufen").waitFor();
    await expectSound("events-german");
    await page.getByRole("link", { name: "renamed", exact: true }).click();
    await page.getByText("Leer, um den gespeicherten Schlüssel zu behalten").waitFor();
    await expectSound("event-german");
  });

  test("violate no policy", async () => {
    expect([server.problems, await page.evaluate("window.violations")]).toEqual([[], []]);
  });
});
