import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { followCommands, pageCommands } from "../fixtures/process/page.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

const ROOT = join(import.meta.dir, "..", "..");
const PAGES = ["docs/oauth.md", ...new Glob("docs/providers/*.md").scanSync(ROOT)].sort();
const MISSING = ["bash", "curl", "openssl", "xxd"].filter((program) => Bun.which(program) === null);
if (MISSING.length > 0) console.warn(`Skipped: the pages of providers; not installed: ${MISSING.join()}`);

/** Values that a reader of the pages inserts. The secret is the example of AWS. */
const VARIABLES = {
  ...{ FROM: "app@example.org", TO: "you@example.net", TENANT: "contoso.onmicrosoft.com" },
  ...{
    CLIENT_ID: "client-1",
    CLIENT_SECRET: "secret~1",
    APP_PASSWORD: "abcd efgh ijkl mnop",
    API_KEY: "SG.key",
  },
  ...{ SMTP_USER: "AKIAIOSFODNN7EXAMPLE", SMTP_PASSWORD: `B${"A".repeat(43)}` },
  ...{ ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
};
const SERVICE_ACCOUNT = { client_email: "sealpost@project.iam.gserviceaccount.com", private_key: "pem" };
/** A definition that waits for its sign-in. */
const EXPECTED_WARNING = "oauth_refresh_token is missing: without it there is no access token, and no login.";

const folder = temporaryFolder();
let sealpost: Sealpost;
beforeAll(async () => {
  writeFileSync(join(folder.path, "key.json"), JSON.stringify(SERVICE_ACCOUNT));
  const env = { SEALPOST_BASE_URL: "https://mail.example.org" };
  sealpost = await startSealpost({ folder: folder.path, env });
  sealpost.keepSecret(VARIABLES.CLIENT_SECRET, VARIABLES.SMTP_PASSWORD, VARIABLES.SECRET_ACCESS_KEY);
});
afterAll(async () => {
  await sealpost[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** Runs the commands of a page. */
async function follow(page: string) {
  const { token } = await sealpost.logIn();
  return followCommands((await pageCommands(page)).join("\n"), folder.path, {
    ...VARIABLES,
    URL: sealpost.url,
    TOKEN: token,
  });
}

describe.skipIf(MISSING.length > 0)("the commands of", () => {
  test.each(PAGES)("%s save definitions without a warning", async (page) => {
    const { envelopes } = await follow(page);
    expect(envelopes.length).toBeGreaterThan(0);
    for (const { result, detail } of envelopes) {
      expect(String(result.value ?? result.error?.message)).toMatch(/^(true$|https:\/\/)/);
      expect((detail?.warnings ?? []).filter((text) => text !== EXPECTED_WARNING)).toEqual([]);
    }
  });

  test("docs/providers.md save a definition, and list the presets", async () => {
    // Another page may have saved it with secrets that must not go to another host.
    await (await sealpost.logIn()).call("DELETE", "/smtpserver/main");
    const { envelopes } = await follow("docs/providers.md");
    expect(envelopes.map(({ result }) => result.value)).toMatchObject([
      true,
      { fastmail: { id: "fastmail" } },
    ]);
  });

  test("docs/providers/ses.md compute the SMTP password as the program of AWS does", async () => {
    const { rest } = await follow("docs/providers/ses.md");
    expect(rest.trim()).toBe("BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG");
  });
});
