import { expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { buildPage } from "../../tools/page.ts";
import { sqldPath } from "../../tools/sqld.ts";
import { bundleWorker } from "../../tools/workers/build.ts";
import { serveWorker } from "../../tools/workers/serve.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { fileText } from "../fixtures/smime/files.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { opensslVerify } from "../fixtures/smime/verify.ts";
import { bindingsFor, PASSWORD, startDatabase, TEST_MS } from "../runtime/workers/fixtures/sealpost.ts";
import { CHROMIUM, startBrowser } from "./fixtures/browser.ts";
import { JOURNEY, sendSigned } from "./fixtures/journey.ts";

setDefaultTimeout(TEST_MS);

const isRunnable = CHROMIUM !== null && isInstalled("openssl") && sqldPath() !== null;

test.skipIf(!isRunnable)(
  "in workerd, with the page as static assets, a browser gets from the login to a signed message",
  async () => {
    using folder = temporaryFolder();
    await buildPage(`${folder.path}/page`);
    await using smtp = await startSmtpServer({ users: { [JOURNEY.username]: JOURNEY.password } });
    await using database = await startDatabase();
    await using worker = await serveWorker({
      bundle: await bundleWorker(),
      bindings: bindingsFor(database.url),
      assets: `${folder.path}/page`,
    });
    await using browser = await startBrowser();
    const page = await browser.open(worker.url.href);
    expect(new URL(page.url()).pathname).toBe("/ui/");
    await sendSigned(page, smtp.port, PASSWORD);
    const bytes = smtp.messages[0]?.bytes ?? new Uint8Array();
    const verified = await opensslVerify(bytes, { certificate: fileText("root.pem") });
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    expect([browser.problems, await page.evaluate("window.violations")]).toEqual([[], []]);
  },
);
