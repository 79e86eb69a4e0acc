import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
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
beforeAll(async () => {
  if (CHROMIUM !== null) server = await startPageServer("/behind/a-proxy");
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

describe.skipIf(CHROMIUM === null)("the admin page", () => {
  test("opens at / with the login, in at most 8 requests and 60 kB", async () => {
    const page = await server.open();
    await page.getByRole("button", { name: "Log in" }).waitFor();
    expect(page.url()).toEndWith("/behind/a-proxy/ui/");
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "login");
    // With the code behind the login, which is loaded in advance.
    await page.waitForLoadState("networkidle");
    const sizes: number[] = await page.evaluate(
      "performance.getEntries().filter((e) => e.entryType === 'navigation' || e.entryType === 'resource').map((e) => e.transferSize)",
    );
    expect(sizes.length).toBeLessThanOrEqual(8);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(60_000);
  });

  test("rejects a wrong password in the language of the browser", async () => {
    const page = await server.open({ locale: "de-DE" });
    await pageOpened(page, "Anmelden");
    await page.getByLabel("Benutzername").fill("admin");
    await page.getByLabel("Passwort").fill("wrong");
    await page.getByRole("button", { name: "Anmelden" }).click();
    await page.getByText("Benutzername oder Passwort ist falsch.").waitFor();
    expect(await page.evaluate("document.documentElement.lang")).toBe("de");
    expect(await violationsOf(page)).toEqual([]);
  });

  test("says what to do first, and lists servers with their state", async () => {
    const page = await server.open();
    await logIn(page);
    await page.getByRole("button", { name: "New server" }).waitFor();
    expect(await page.getByRole("navigation").count()).toBe(1);
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "servers-empty");
    const definition = { port: 587, tls: true, username: "app@example.org", password: "not-for-the-page" };
    for (const [name, json] of Object.entries({
      main: { ...definition, server: "mail.example.org", sender: "app@example.org" },
      "a name that is as long as names of departments are": {
        ...definition,
        server: "smtps://smtp.example.net",
      },
      local: { server: "127.0.0.1", port: 1, sender: "local@example.org" },
    })) {
      await server.sealpost.request(`/smtpserver/${encodeURIComponent(name)}`, { json });
    }
    await server.sealpost.request("/smtpserver/local/send_test_email", { json: { until: "connect" } });
    await page.getByRole("link", { name: "Servers" }).click();
    await page.getByRole("heading", { name: "main" }).waitFor({ timeout: 15_000 });
    await page.getByText("STARTTLS").waitFor();
    await page.getByText("Failing").waitFor();
    expect(await page.content()).not.toContain("not-for-the-page");
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "servers");
  });

  test("ends the sessions of all tabs at a log-out", async () => {
    const page = await server.open();
    await logIn(page);
    const other = await page.context().newPage();
    await other.goto(`${server.url}/`);
    await logIn(other);
    await page.getByRole("button", { name: "Log out" }).click();
    await other.getByText("You are logged out.").waitFor();
  });

  test("violates no policy, and the policy blocks an inline script", async () => {
    expect(server.problems).toEqual([]);
    const page = await server.open();
    await page.getByRole("button", { name: "Log in" }).waitFor();
    expect(await page.evaluate("window.violations")).toEqual([]);
    await page.evaluate(
      "{ const script = document.createElement('script'); try { script.text = 'window.planted = 1'; } catch {} script.append('window.planted = 1'); document.head.append(script); }",
    );
    await page.locator("html[data-violation]").waitFor();
    expect(await page.evaluate("window.planted")).toBeUndefined();
  });
});
