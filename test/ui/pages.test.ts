import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import PostalMime from "postal-mime";
import { directory } from "../../plugins/directory/index.ts";
import { emailToken } from "../../plugins/email-token/index.ts";
import { reply, type SmtpTestServer, startSmtpServer, when } from "../../src/testing/smtp/index.ts";
import {
  CHROMIUM,
  enterLogin,
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
  smtp = await startSmtpServer({
    script: { rcpt: when(/later/, reply("451 4.7.1 Greylisted, please come back later")) },
  });
  server = await startPageServer("", () => ({ plugins: [directory(), emailToken()] }));
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

/** Opens a page by the navigation. */
async function visit(name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await pageOpened(page, name);
}

/** Returns the code of the last message to an address. */
async function lastCode(address: string): Promise<string> {
  const message = smtp.messages.findLast(({ recipients }) => recipients.includes(address));
  const bytes = message?.bytes ?? new Uint8Array();
  const { text = "" } = await PostalMime.parse(bytes);
  return /\b\d{6,8}\b|\b[A-Za-z0-9_-]{16,}\b/.exec(text)?.[0] ?? "";
}

/** Asserts what holds on every page, and saves pictures of it. */
async function expectSound(name: string): Promise<void> {
  expect(await violationsOf(page)).toEqual([]);
  await expectNarrow();
  await shoot(page, name);
}

/** Asserts that nothing is cut off at 320 px. */
async function expectNarrow(): Promise<void> {
  await page.setViewportSize({ width: 320, height: 800 });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(320);
  await page.setViewportSize({ width: 1280, height: 800 });
}

describe.skipIf(CHROMIUM === null)("the admin page", () => {
  test("sends a message, shows why it waits, and cancels it", async () => {
    await visit("Mail");
    await page.getByText("No message has been queued yet").waitFor();
    await expectSound("mail-empty");
    await server.sealpost.request("/mail/", { json: { to: "bob@example.net", text: "Hello" } });
    await page.getByRole("button", { name: "New message" }).click();
    await pageOpened(page, "New message");
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

  test("shows that messages are held, and releases them", async () => {
    await server.sealpost.request("/mail/", { json: { to: "held@example.net", text: "Hello" } });
    await server.sealpost.request("/mail/hold", { json: {} });
    await server.sealpost.drain();
    await visit("Servers");
    await visit("Mail");
    await page.getByText("Messages and webhooks on hold: 1.").waitFor();
    const onHold = page.getByText("On hold", { exact: true });
    await onHold.waitFor();
    await expectSound("mail-held");
    await page.getByRole("button", { name: "Release all" }).click();
    await page.getByText("Messages and webhooks on hold").waitFor({ state: "detached" });
    await onHold.waitFor({ state: "detached" });
    const isSent = () => smtp.messages.some(({ recipients }) => recipients.includes("held@example.net"));
    expect(isSent()).toBe(false);
    await server.sealpost.drain();
    expect(isSent()).toBe(true);
  });

  test("creates a policy, and offers another admin what the policies allow", async () => {
    await visit("Policies");
    await page.getByRole("heading", { name: "Every admin may do everything" }).waitFor();
    await page.getByRole("button", { name: "New policy" }).click();
    await pageOpened(page, "New policy");
    await page.getByLabel("Name").fill("owners");
    await page.getByLabel("All rights").check();
    await page.getByLabel("Admins", { exact: true }).fill("admin");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "New policy" }).click();
    await pageOpened(page, "New policy");
    await page.getByLabel("Name").fill("helpdesk");
    await page.getByLabel("mail_read", { exact: true }).check();
    await page.getByLabel("tokenlist", { exact: true }).check();
    await page.getByLabel("Admins", { exact: true }).fill("helpdesk");
    await expectSound("policy");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "helpdesk" }).waitFor();
    await expectSound("policies");

    await visit("Admins");
    await page.getByRole("button", { name: "New admin" }).click();
    await pageOpened(page, "New admin");
    await page.getByLabel("User name").fill("helpdesk");
    await page.getByLabel("Password").fill("short");
    await page.getByRole("button", { name: "Save" }).click();
    await formRejected(page);
    await expectSound("admin");
    await page.getByLabel("Password").fill("quite a long one");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "helpdesk" }).waitFor();
    await expectSound("admins");

    const other = await server.open();
    await enterLogin(other, "helpdesk", "quite a long one");
    await other.getByRole("heading", { level: 1, name: "Mail" }).waitFor();
    expect(await other.getByRole("navigation").getByRole("link").allTextContents()).toEqual(["Mail"]);
    expect(await other.getByRole("button", { name: "New message" }).count()).toBe(0);
    await other.context().close();
  });

  test("shows a new API key once", async () => {
    await visit("API keys");
    await page.getByRole("button", { name: "New API key" }).click();
    await pageOpened(page, "New API key");
    await page.getByLabel("Name").fill("shop");
    await expectSound("key");
    await page.getByRole("button", { name: "Create key" }).click();
    const key = (await page.getByLabel("API key", { exact: true }).textContent()) ?? "";
    expect(key).toStartWith("sp_");
    await expectSound("key-created");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("rowheader", { name: "shop" }).waitFor();
    await expectSound("keys");
    expect(await page.content()).not.toContain(key);
    expect(await page.evaluate("JSON.stringify([localStorage, sessionStorage])")).not.toContain(key);
  });

  test("searches the audit log, and saves it as CSV", async () => {
    await visit("Audit");
    await page.getByLabel("Action").fill("apikey");
    await page.getByRole("rowheader", { name: "POST /apikey/" }).waitFor();
    await page.getByRole("rowheader", { name: "/auth" }).first().waitFor({ state: "detached" });
    await expectSound("audit");
    const saving = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as CSV" }).click();
    expect(await Bun.file(await (await saving).path()).text()).toContain(",POST /apikey/,");
  });

  test("reports versions, and what is wrong with the instance", async () => {
    await visit("System");
    await page.getByText("Bun", { exact: true }).waitFor();
    await page.getByText("Everything is in order.").waitFor();
    await expectSound("system");
  });

  test("adds a person, changes the address by its code, and enrolls a token that is verified", async () => {
    const settings = { "email.verify_enrollment": true };
    await server.sealpost.request("/system/setConfig", { json: settings });
    await visit("People");
    await page.getByText("There are no people yet").waitFor();
    await page.getByRole("button", { name: "New person" }).click();
    await pageOpened(page, "New person");
    await page.getByLabel("User name").fill("ann");
    await page.getByLabel("Email").fill("ann@example.org");
    await expectSound("person-new");
    await page.getByRole("button", { name: "Save" }).click();
    await pageOpened(page, "ann");

    await page.getByLabel("Email").fill("ann@example.net");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("A code was sent to the new address.").waitFor();
    await page.getByLabel("Code").fill(await lastCode("ann@example.net"));
    await page.getByRole("button", { name: "Confirm address" }).click();
    await page.getByText("Saved.").waitFor();
    expect(await page.getByLabel("Email").inputValue()).toBe("ann@example.net");

    await page.getByRole("button", { name: "Enroll a token" }).click();
    await page.getByText("A code was sent to the token.").waitFor();
    await page.getByText("Not verified").waitFor();
    await page.getByLabel("Code").fill(await lastCode("ann@example.net"));
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("The token is enrolled.").waitFor();
    await page.getByText("Active", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Disable" }).click();
    await page.getByText("Disabled", { exact: true }).waitFor();
    await expectSound("person");
    await visit("People");
    await page.getByRole("link", { name: "ann" }).waitFor();
    await expectSound("people");
    await page.getByRole("button", { name: "All tokens" }).click();
    await page.getByRole("link", { name: "ann" }).waitFor();
    await expectSound("tokens");
  });

  test("changes a setting of a plugin, says what is wrong with a value, and goes back to the default", async () => {
    await visit("Settings");
    const seconds = page.getByLabel("Seconds that a code sent by email is valid");
    await seconds.fill("5");
    await page.getByRole("button", { name: "Save email-token" }).click();
    await page.getByText("expected a whole number from 30 to 3600").waitFor();
    await formRejected(page);
    await expectSound("settings");
    await seconds.fill("300");
    await page.getByRole("button", { name: "Save email-token" }).click();
    await page.getByText("Saved.").waitFor();
    const stored = await server.sealpost.request("/system/email.validtime");
    expect(await stored.json()).toMatchObject({ result: { value: 300 } });
    const reset = page.getByRole("button", { name: "Use the default", description: "email.validtime" });
    await reset.click();
    await reset.waitFor({ state: "detached" });
    expect(await seconds.inputValue()).toBe("120");
    await seconds.fill("240");
    await page.getByRole("navigation").getByRole("link", { name: "Audit" }).click();
    await page.getByRole("button", { name: "Leave without saving" }).click();
    await page.getByRole("heading", { level: 1, name: "Audit" }).waitFor();
  });

  test("is in German as a whole", async () => {
    await page.getByLabel("Language").selectOption("de");
    for (const name of ["Nachrichten", "Personen", "Einstellungen", "Richtlinien", "Protokoll", "System"]) {
      await visit(name);
      await expectNarrow();
    }
    await expectSound("german");
  });

  test("shows the problems of the instance and the hint of a test in German", async () => {
    const configure = (name: string) =>
      server.sealpost.request("/system/setConfig", { json: { "email.identifier": name } });
    await configure("gone");
    await server.sealpost.request("/smtpserver/closed", {
      json: { server: "127.0.0.1", port: 1, sender: "app@example.org" },
    });
    await page.getByRole("button", { name: "Noch einmal prüfen" }).click();
    await page.getByText("Kein SMTP-Server heißt gone").waitFor();
    await page.getByText("closed (127.0.0.1:1): refused. Auf Port 1 lauscht nichts.").waitFor();
    await expectSound("german-findings");
    await page.evaluate('location.hash = "#/test/closed"');
    await page.getByRole("button", { name: "Prüfen, ohne zu senden" }).click();
    await page.getByText("Auf Port 1 lauscht nichts.", { exact: true }).waitFor();
    await page.getByText("Versuchen Sie 587 (STARTTLS) oder 465").waitFor();
    await expectSound("german-hint");
    await configure("");
    await server.sealpost.request("/smtpserver/closed", { method: "DELETE" });
  });

  test("violates no policy on any page", async () => {
    expect(server.problems).toEqual([]);
    expect(await page.evaluate("window.violations")).toEqual([]);
  });
});
