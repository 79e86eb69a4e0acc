import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { reply, type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { buildPage } from "../../tools/page.ts";
import { sqldPath } from "../../tools/sqld.ts";
import { LIBSQL_ENTRY, OBJECT_ENTRY } from "../../tools/workers/build.ts";
import { OBJECTS, type ServedWorker, type Services, serveWorker } from "../../tools/workers/serve.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { fileText } from "../fixtures/smime/files.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { opensslVerify } from "../fixtures/smime/verify.ts";
import { builtWorker } from "../fixtures/worker-bundle.ts";
import { bindingsFor, KEYS, PASSWORD, startDatabase, TEST_MS } from "../runtime/workers/fixtures/sealpost.ts";
import { CHROMIUM, pageOpened, startBrowser, type TestBrowser, violationsOf } from "./fixtures/browser.ts";
import { JOURNEY, sendSigned } from "./fixtures/journey.ts";

setDefaultTimeout(TEST_MS);

const isRunnable = CHROMIUM !== null && isInstalled("openssl");
const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

async function serve(entry: string, bindings: Readonly<Record<string, string>>, services: Services = {}) {
  await buildPage(`${folder.path}/page`);
  const bundle = await builtWorker(entry);
  return await serveWorker({ bundle, bindings, services, assets: `${folder.path}/page` });
}

/** Leads from the login to a signed message, which openssl verifies. */
async function expectSigned(page: Page, smtp: SmtpTestServer): Promise<void> {
  expect(new URL(page.url()).pathname).toBe("/ui/");
  await sendSigned(page, smtp.port, PASSWORD);
  const bytes = smtp.messages[0]?.bytes ?? new Uint8Array();
  const verified = await opensslVerify(bytes, { certificate: fileText("root.pem") });
  expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
}

test.skipIf(!isRunnable || sqldPath() === null)(
  "in workerd with a libSQL server, and the page as static assets, a browser gets from the login to a signed message",
  async () => {
    await using smtp = await startSmtpServer({ users: { [JOURNEY.username]: JOURNEY.password } });
    await using database = await startDatabase();
    await using worker = await serve(LIBSQL_ENTRY, bindingsFor(database.url));
    await using browser = await startBrowser();
    const page = await browser.open(worker.url.href);
    await expectSigned(page, smtp);
    expect([browser.problems, await page.evaluate("window.violations")]).toEqual([[], []]);
  },
);

describe.skipIf(!isRunnable)("in workerd with a Durable Object, and the page as static assets,", () => {
  let smtp: SmtpTestServer;
  let worker: ServedWorker;
  let browser: TestBrowser;
  let page: Page;
  beforeAll(async () => {
    smtp = await startSmtpServer({ users: { [JOURNEY.username]: JOURNEY.password } });
    const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
    worker = await serve(OBJECT_ENTRY, bindings, OBJECTS);
    browser = await startBrowser();
    page = await browser.open(worker.url.href);
  });
  afterAll(async () => {
    for (const one of [browser, worker, smtp]) await one?.[Symbol.asyncDispose]();
  });
  const button = (name: string) => page.getByRole("button", { name, exact: true });

  test("a browser gets from the login to a signed message with the key of a dropped file", async () => {
    await expectSigned(page, smtp);
  });

  test("a test that fails shows its phase, the reply and what to do", async () => {
    for (const [step, line, phase, problem] of [
      ["credentials", "535 5.7.8 Bad credentials", "Login", "The server rejected username and password."],
      ["rcpt", "550 5.1.1 Unknown user", "Recipient", "The server rejected this recipient."],
      ["body", "554 5.7.1 Spam", "Message", "The server rejected the content of the message."],
    ] as const) {
      smtp.script(step, reply(line));
      // A definition of another version has connections of its own.
      await button("Edit").click();
      await pageOpened(page, "Edit main");
      await page.getByLabel("Description", { exact: true }).fill(phase);
      await button("Save").click();
      await pageOpened(page, "Test main");
      await page.getByLabel("Send to", { exact: true }).fill(JOURNEY.recipient);
      await button("Test").click();
      await page.locator(".notice").getByText(problem, { exact: true }).waitFor();
      await page.getByText(line.slice("550 5.1.1 ".length)).waitFor();
      const rung = page
        .getByRole("list", { name: "Phases" })
        .getByRole("listitem")
        .filter({ hasText: "failed" });
      expect(await rung.locator(".phase").allTextContents()).toEqual([phase]);
      smtp.script(step, undefined);
    }
    expect(await violationsOf(page)).toEqual([]);
  });

  test("a queued message shows why it waits", async () => {
    smtp.script("rcpt", reply("451 4.7.1 Greylisted, please come back later"));
    await page.getByRole("link", { name: "Mail", exact: true }).click();
    await pageOpened(page, "Mail");
    await button("New message").first().click();
    await pageOpened(page, "New message");
    await page.getByLabel("To", { exact: true }).fill("later@example.net");
    await page.getByLabel("Text", { exact: true }).fill("Hello");
    await button("Send").click();
    await button("Show its attempts").click();
    // More attempts may follow while the page loads.
    await page.getByText("Greylisted, please come back later").first().waitFor();
    smtp.script("rcpt", undefined);
  });

  test("the instance names its runtime, and the page violates no policy", async () => {
    await page.getByRole("link", { name: "System", exact: true }).click();
    await page.getByText("Cloudflare Workers", { exact: true }).waitFor();
    expect([browser.problems, await page.evaluate("window.violations")]).toEqual([[], []]);
  });
});
