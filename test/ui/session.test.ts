import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import {
  CHROMIUM,
  enterLogin,
  logIn,
  type PageServer,
  pageOpened,
  shoot,
  startPageServer,
  violationsOf,
} from "./fixtures/browser.ts";

setDefaultTimeout(60_000);

const READER = { username: "reader", password: "a long passphrase" };
/** Longer than any token lives. */
const DAYS_MS = 3 * 86_400_000;

let server: PageServer;
beforeAll(async () => {
  if (CHROMIUM === null) return;
  server = await startPageServer();
  const { request } = server.sealpost;
  await request("/smtpserver/main", { json: { server: "mail.example.org", sender: "old@example.org" } });
  await request("/admin/", { json: READER });
  await request("/policy/all", { json: { scope: "admin", action: "*", adminuser: "admin" } });
  await request("/policy/read", { json: { scope: "admin", action: "smtpserver_read", adminuser: "reader" } });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const servers = (page: Page) => pageOpened(page, "Servers");

/** Opens the login of a new API key with these rights. `enter` logs in. */
async function openWithKey(rights: readonly string[]) {
  const created = await server.sealpost.request("/apikey/", { json: { name: "page", rights } });
  const { result } = JSON.parse(await created.text());
  const page = await server.open();
  await pageOpened(page, "Log in");
  await page.getByRole("button", { name: "Use an API key" }).click();
  await page.getByLabel("API key", { exact: true }).fill(result.value.key);
  return { page, enter: () => page.getByRole("button", { name: "Log in" }).click() };
}

describe.skipIf(CHROMIUM === null)("a session on the admin page", () => {
  test("offers only what the admin may do", async () => {
    const page = await server.open();
    await enterLogin(page, READER.username, READER.password);
    await page.getByRole("heading", { name: "main" }).waitFor();
    for (const name of ["New server", "Edit", "Test"]) {
      expect(await page.getByRole("button", { name, exact: true }).count()).toBe(0);
    }
    await page.evaluate('location.hash = "#/server/main"');
    await page.getByText("There is no such page.").waitFor();
    expect(await violationsOf(page)).toEqual([]);
  });

  test("offers only what the API key may do", async () => {
    const { page, enter } = await openWithKey(["smtpserver_read"]);
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "login-key");
    await enter();
    await page.getByRole("heading", { name: "main" }).waitFor();
    expect(await page.getByRole("navigation").getByRole("link").allInnerTexts()).toEqual(["Servers"]);
    for (const name of ["New server", "Edit", "Test"]) {
      expect(await page.getByRole("button", { name, exact: true }).count()).toBe(0);
    }
    await page.getByText("API key page").waitFor();
    await shoot(page, "session-key");
    expect(await violationsOf(page)).toEqual([]);
    await page.evaluate('location.hash = "#/server/main"');
    await page.getByText("There is no such page.").waitFor();
  });

  test("says so when a right was lost since the login", async () => {
    const { page, enter } = await openWithKey(["smtpserver_read", "smtpserver_write"]);
    await enter();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await pageOpened(page, "Edit main");
    await page.getByLabel("Sender", { exact: true }).fill("app@example.org");
    const json = { scope: "admin", action: ["*", "!smtpserver_write"], adminuser: "admin" };
    await server.sealpost.request("/policy/all", { json });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("You do not have the right to do this.").waitFor();
    await server.sealpost.request("/policy/all", { json: { ...json, action: "*" } });
  });

  test("opens the form for a message to an API key that may do nothing else", async () => {
    const { page, enter } = await openWithKey(["mail_send"]);
    await enter();
    await pageOpened(page, "New message");
    await page.getByLabel("To", { exact: true }).fill("ann@example.net");
    expect(await page.getByLabel("Server", { exact: true }).inputValue()).toBe("default");
    expect(await violationsOf(page)).toEqual([]);
    await page.getByLabel("Server", { exact: true }).fill("main");
    await page.getByLabel("Text", { exact: true }).fill("Hello");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText("The message is queued.").waitFor();
    expect(await page.getByRole("button", { name: "Show its attempts" }).count()).toBe(0);
  });

  test("says so when an API key has no right to any page", async () => {
    const { page, enter } = await openWithKey(["metrics_read"]);
    await enter();
    await page.getByText("This API key has no right to any page.").waitFor();
    await shoot(page, "session-nothing");
    expect(await violationsOf(page)).toEqual([]);
  });

  test("rejects an unknown API key at the login", async () => {
    const { page, enter } = await openWithKey(["smtpserver_read"]);
    await page.getByLabel("API key", { exact: true }).fill(`sp_${"a".repeat(43)}`);
    await enter();
    await page.getByText("This key is not valid.").waitFor();
  });

  test("that is logged out asks for unsaved changes first", async () => {
    const page = await server.open();
    await logIn(page);
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await pageOpened(page, "Edit main");
    await page.getByLabel("Sender", { exact: true }).fill("app@example.org");
    const logOut = page.getByRole("button", { name: "Log out", exact: true });
    await logOut.click();
    await shoot(page, "leave");
    await page.getByRole("button", { name: "Stay", exact: true }).click();
    expect(await page.getByLabel("Sender", { exact: true }).inputValue()).toBe("app@example.org");
    await logOut.click();
    await page.getByRole("button", { name: "Leave without saving" }).click();
    await page.getByText("You are logged out.").waitFor();
  });

  test("is reached by keyboard alone, and each page starts at its heading", async () => {
    const page = await server.open();
    const isFocused = (text: string) => page.locator(":focus", { hasText: text }).waitFor();
    await isFocused("Log in");
    for (const text of ["admin", "correct horse"]) {
      await page.keyboard.press("Tab");
      await page.keyboard.type(text);
    }
    await page.keyboard.press("Enter");
    await servers(page);
    await isFocused("Servers");
    await page.getByRole("button", { name: "New server", exact: true }).waitFor();
    await page.keyboard.press("Tab");
    await isFocused("New server");
    await page.keyboard.press("Enter");
    await page.locator("h1:focus", { hasText: "New server" }).waitFor();
  });

  test("warns before its end, and asks to log in after it", async () => {
    const page = await server.open();
    await page.clock.install();
    await page.reload();
    await logIn(page);
    const token = JSON.parse(atob(server.sealpost.token.split(".")[1] ?? ""));
    const lifeMs = (token.exp - token.iat) * 1_000;
    await page.clock.fastForward(lifeMs - 30_000);
    await page.getByRole("alert").filter({ hasText: "The session ends in" }).waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await page.clock.fastForward(DAYS_MS);
    await page.getByText("The session has ended. Log in again.").waitFor();
    await page.getByRole("button", { name: "Log in" }).waitFor();
  });

  test("leaves nothing in the storage of the browser", async () => {
    const page = await server.open();
    await logIn(page);
    expect(await page.context().storageState()).toEqual({ cookies: [], origins: [] });
  });
});
