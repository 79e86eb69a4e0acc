import { expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { fileBytes, fileText } from "../fixtures/smime/files.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { opensslVerify } from "../fixtures/smime/verify.ts";
import { CHROMIUM, startPageServer, violationsOf } from "./fixtures/browser.ts";
import { JOURNEY, sendSigned } from "./fixtures/journey.ts";

setDefaultTimeout(60_000);

const isRunnable = CHROMIUM !== null && isInstalled("openssl");

test.skipIf(!isRunnable)(
  "the page leads from the first login to a signed message that openssl verifies, and keeps no secret",
  async () => {
    await using smtp = await startSmtpServer({ users: { [JOURNEY.username]: JOURNEY.password } });
    await using server = await startPageServer();
    const page = await server.open();
    const bodies = bodiesOf(page);
    await sendSigned(page, smtp.port);
    expect(smtp.messages).toMatchObject([
      { username: JOURNEY.username, recipients: [JOURNEY.recipient], from: JOURNEY.username },
    ]);
    const bytes = smtp.messages[0]?.bytes ?? new Uint8Array();
    const verified = await opensslVerify(bytes, { certificate: fileText("root.pem") });
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    expect(await violationsOf(page)).toEqual([]);

    // The form of a stored definition has the most to hide.
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Edit main" }).waitFor();
    await page.getByText("Stored", { exact: true }).first().waitFor();
    const inputs = await page.evaluate(
      "[...document.querySelectorAll('input, textarea, select')].map(({ value }) => value).join()",
    );
    const kept = {
      bodies: await bodies(),
      dom: `${await page.content()} ${inputs}`,
      storage: JSON.stringify([
        await page.context().storageState({ indexedDB: true }),
        await page.evaluate("({ ...sessionStorage })"),
      ]),
      address: `${page.url()} ${await page.evaluate("JSON.stringify(history.state)")}`,
    };
    const token = /"token": ?"([^"]+)"/.exec(kept.bodies)?.[1] ?? "";
    expect(token).not.toBe("");
    const p12 = fileBytes(JOURNEY.file).toBase64();
    const secrets = [JOURNEY.password, JOURNEY.passphrase, p12.slice(0, 64), "PRIVATE KEY", "correct horse"];
    for (const [place, text] of Object.entries(kept)) {
      const found = secrets.filter((secret) => text.includes(secret));
      expect([place, found]).toEqual([place, []]);
      if (place !== "bodies") expect([place, text.includes(token)]).toEqual([place, false]);
    }
    expect(server.problems).toEqual([]);
  },
);

/** Keeps the bodies of all responses of the API. The token of the login is in one of them. */
function bodiesOf(page: Page): () => Promise<string> {
  const bodies: Promise<string>[] = [];
  page.on("response", (response) => {
    if (!response.url().includes("/ui/")) bodies.push(response.text());
  });
  return async () => (await Promise.all(bodies)).join("\n");
}
