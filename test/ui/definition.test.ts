import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { FILE_PASSPHRASE, FILE_SENDER, fileBytes } from "../fixtures/smime/files.ts";
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
  smtp = await startSmtpServer();
  server = await startPageServer();
  page = await server.open();
  await logIn(page);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await smtp?.[Symbol.asyncDispose]();
});

const button = (name: string, on: Page = page) => on.getByRole("button", { name, exact: true });
const field = (name: string, on: Page = page) => on.getByLabel(name, { exact: true });
const title = (name: string, on: Page = page) => pageOpened(on, name);
/** Opens a form. What another form has changed is dropped. */
const openForm = async (name: string, on: Page = page) => {
  await on.getByRole("link", { name: "Servers" }).click();
  const leave = button("Leave without saving", on);
  const servers = on.getByRole("heading", { level: 1, name: "Servers" });
  await leave.or(servers).first().waitFor();
  if (await leave.isVisible()) await leave.click();
  await servers.waitFor();
  await on.evaluate(`location.hash = "#/server/${name}"`);
  await title(`Edit ${name}`, on);
};

async function stored(name: string) {
  const response = await server.sealpost.request(`/smtpserver/${name}`);
  const { result, detail } = JSON.parse(await response.text());
  return { ...result.value, ...detail.limits, provider: detail.provider };
}

describe.skipIf(CHROMIUM === null)("a definition on the admin page", () => {
  test("starts from a preset, which fills in what is known", async () => {
    await button("New server").click();
    await title("New server");
    await field("Name").fill("mailgun");
    await field("Provider").selectOption("mailgun");
    await field("User name").fill("postmaster@example.org");
    await field("Password").fill("a-password");
    await field("Sender").fill("app@example.org");
    await shoot(page, "server-preset");
    expect(await violationsOf(page)).toEqual([]);
    await button("Save").click();
    await title("Test mailgun");
    const { smtp } = await presets();
    expect(await stored("mailgun")).toMatchObject({ provider: "mailgun", ...smtp, password: "a-password" });
  });

  test("keeps secrets that it never shows, and clears them on demand", async () => {
    await openForm("mailgun");
    await page.getByText("Stored", { exact: true }).waitFor();
    expect(await page.content()).not.toContain("a-password");
    await field("Description").fill("the first");
    await button("Save").click();
    await title("Test mailgun");
    expect(await stored("mailgun")).toMatchObject({ description: "the first", password: "a-password" });
    await openForm("mailgun");
    await button("Clear").click();
    await page.getByText("Will be cleared when you save").waitFor();
    await button("Save").click();
    await title("Test mailgun");
    expect(await stored("mailgun")).toMatchObject({ password: "" });
  });

  test("asks for the password again when the server changes, at its field", async () => {
    await server.sealpost.request("/smtpserver/moved", {
      json: { server: "old.example.org", username: "app", password: "a-password", tls: true, port: 587 },
    });
    await openForm("moved");
    await field("Server").fill("new.example.org");
    await button("Save").click();
    const password = page.locator("input[name=password]");
    await password.waitFor();
    expect(await password.getAttribute("aria-invalid")).toBe("true");
    await page.locator("[name=password]:focus").waitFor();
    expect(await violationsOf(page)).toEqual([]);
  });

  test("shows both versions if someone else has changed it, and saves mine on demand", async () => {
    await server.sealpost.request("/smtpserver/shared", {
      json: { server: "mail.example.org", port: 587, tls: true },
    });
    const other = await page.context().newPage();
    await other.goto(`${server.url}/ui/`);
    await logIn(other);
    await openForm("shared");
    await openForm("shared", other);
    await field("Sender", other).fill("theirs@example.org");
    await button("Save", other).click();
    await title("Test shared", other);
    await other.close();
    await field("Sender").fill("mine@example.org");
    await button("Save").click();
    const row = page.getByRole("row").filter({ hasText: "mine@example.org" });
    await row.waitFor();
    expect(await row.textContent()).toBe("Sendermine@example.orgtheirs@example.org");
    expect(await page.getByRole("row").count()).toBe(2);
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "server-conflict");
    await button("Save mine").click();
    await title("Test shared");
    expect(await stored("shared")).toMatchObject({ sender: "mine@example.org" });
  });

  test("says that the name of a new definition is taken", async () => {
    await page.evaluate('location.hash = "#/server"');
    await title("New server");
    await field("Name").fill("shared");
    await field("Server").fill("mail.example.org");
    await button("Save").click();
    await page.getByText("A definition with this name already exists.").waitFor();
  });

  test("inspects a PKCS#12 file before it is saved, and signs with it", async () => {
    await openForm("shared");
    await field("Sender").fill(FILE_SENDER);
    await field("Sign messages with S/MIME").check();
    await field("Passphrase").fill(FILE_PASSPHRASE);
    const buffer = Buffer.from(fileBytes("modern.p12"));
    await field("Choose a file").setInputFiles({ name: "modern.p12", mimeType: "", buffer });
    await page.getByText("Key and certificate can sign for this sender.").waitFor();
    await page.getByText(FILE_SENDER).waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "server-signing");
    await field("Server").fill("127.0.0.1");
    await field("Port").fill(String(smtp.port));
    await field("Encryption").selectOption("none");
    await button("Save").click();
    await title("Test shared");
    await field("Send to").fill("ann@example.net");
    await button("Test").click();
    await page.getByText("The server accepted the message.").waitFor();
    expect(new TextDecoder().decode(smtp.messages[0]?.bytes)).toContain("Content-Type: multipart/signed");
    expect(await stored("shared")).toMatchObject({
      smime: true,
      sender: FILE_SENDER,
      private_key: "__CENSORED__",
    });
  });

  test("asks before changes are lost, and stays where they are", async () => {
    await openForm("shared");
    await field("Description").fill("not saved");
    await page.getByRole("link", { name: "Audit" }).click();
    await page.getByRole("dialog", { name: "Leave without saving?" }).waitFor();
    await page.locator(":focus", { hasText: "Stay" }).waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "server-leave");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    expect(await field("Description").inputValue()).toBe("not saved");
    expect(page.url()).toEndWith("#/server/shared");
    const asked = page.waitForEvent("dialog");
    await page.evaluate("setTimeout(() => location.reload())");
    const question = await asked;
    expect(question.type()).toBe("beforeunload");
    await question.dismiss();
    await page.getByRole("link", { name: "Audit" }).click();
    await button("Leave without saving").click();
    await title("Audit");
    expect(await stored("shared")).not.toMatchObject({ description: "not saved" });
    await openForm("shared");
    await field("Description").fill("saved");
    await field("Description").fill("");
    await page.getByRole("link", { name: "Audit" }).click();
    await title("Audit");
  });

  test("is deleted after a second click", async () => {
    await openForm("moved");
    await button("Delete").click();
    await button("Delete now").click();
    await title("Servers");
    expect((await server.sealpost.request("/smtpserver/moved")).status).toBe(404);
  });

  test("has its fields in German", async () => {
    await field("Language").selectOption("de");
    await openGerman();
    await field("Benutzername").waitFor();
    for (const name of ["Name", "Server", "Port", "Benutzername", "Passwort", "Absender"]) {
      expect(await field(name).count()).toBe(1);
    }
    await button("Speichern").waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await shoot(page, "server-german");
    await field("Sprache").selectOption("en");
  });
});

async function openGerman(): Promise<void> {
  await page.getByRole("link", { name: "Server" }).click();
  await button("Neuer Server").click();
  await title("Neuer Server");
}

/** The preset of Mailgun as the form fills it in. */
async function presets() {
  const response = await server.sealpost.request("/provider/");
  const { result } = JSON.parse(await response.text());
  const { host, port, tls } = result.value.mailgun;
  const implicit = { server: `smtps://${host}:${port}`, tls: true };
  return { smtp: tls === "implicit" ? { ...implicit, port } : { server: host, port, tls: true } };
}
