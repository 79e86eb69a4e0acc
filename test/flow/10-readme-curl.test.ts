import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { isInstalled, run, scratchFile } from "../fixtures/smime/openssl.ts";
import { gpgsmVerify, nssStatus } from "../fixtures/smime/verify.ts";

setDefaultTimeout(TEST_MS);

const README = join(import.meta.dir, "..", "..", "README.md");
const MISSING = ["bash", "curl", "openssl", "sed"].filter((program) => Bun.which(program) === null);
const obstacle = existsSync(README)
  ? MISSING.map((program) => `${program} is not installed`).join()
  : "there is no README.md";
if (obstacle !== "") console.warn(`Skipped: the README's walkthroughs; ${obstacle}`);

/** The walkthrough of the first screen, but for the line that names the server and the addresses. */
function firstScreen(): string {
  const [, block] = /^URL=[^\n]*\n(TOKEN=[\s\S]*?)^```$/m.exec(readFileSync(README, "utf8")) ?? [];
  if (block === undefined) throw new Error("README.md has no walkthrough that starts with URL=");
  return block;
}

/** The first fenced block of shell below the heading that names curl. */
function signedWalkthrough(): string {
  const [, block] =
    /^#+ [^\n]*\bcurl\b[^\n]*\n(?:(?!#).*\n)*?```(?:sh|bash)\n([\s\S]*?)^```$/m.exec(
      readFileSync(README, "utf8"),
    ) ?? [];
  if (block === undefined) throw new Error("README.md has no block of shell below a heading with curl");
  return block;
}

const [FROM, TO] = ["otp@example.org", "you@example.net"];

/** Runs a walkthrough against a new server. @returns its envelopes, and the messages that arrived. */
async function follow(block: string, folder: string) {
  await using smtp = await startSmtpServer();
  await using sealpost = await startSealpost({ folder });
  const variables = {
    URL: sealpost.url,
    PASSWORD: sealpost.password ?? "",
    SERVER: `127.0.0.1:${smtp.port}`,
    FROM,
    TO,
  };
  const script = `set -eu -o pipefail\ncd ${folder}\n${block}`;
  const { code, stdout, stderr } = await run(["bash", "-c", script], variables);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  const responses = stdout.split('{"jsonrpc"').slice(1);
  return { envelopes: responses.map((text) => JSON.parse(`{"jsonrpc"${text}`)), messages: smtp.messages };
}

test.skipIf(obstacle !== "")("the README's first screen delivers a message", async () => {
  using folder = temporaryFolder();
  const { envelopes, messages } = await follow(firstScreen(), folder.path);
  expect(envelopes).toMatchObject([
    { result: { value: true } },
    { result: { value: true } },
    { result: { value: { sender: FROM } }, detail: { health: { circuit: "closed" } } },
  ]);
  expect(messages).toMatchObject([{ from: FROM, recipients: [TO] }]);
});

test.skipIf(obstacle !== "")(
  "the README's walkthrough with curl delivers a signed message without warnings, which strict programs verify",
  async () => {
    using folder = temporaryFolder();
    const { envelopes, messages } = await follow(signedWalkthrough(), folder.path);
    const [saved, tested] = envelopes;
    expect(saved.result).toEqual({ status: true, value: true });
    expect(saved.detail).toBeUndefined();
    expect(tested).toMatchObject({
      result: { status: true, value: true },
      detail: { smime: { signed: true } },
    });
    expect(tested.detail.warnings).toBeUndefined();

    expect(messages).toMatchObject([{ from: FROM, recipients: [TO] }]);
    const bytes = messages[0]?.bytes ?? new Uint8Array();
    const root = { certificate: readFileSync(join(folder.path, "authority.pem"), "utf8") };
    const trusted = ["-CAfile", join(folder.path, "authority.pem"), "-x509_strict"];
    const verified = await run(["openssl", "cms", "-verify", "-in", scratchFile(bytes), ...trusted]);
    expect(verified.stderr).toContain("successful");
    expect(verified.stdout).toContain("Subject: Test Email from Sealpost");
    if (isInstalled("gpgsm")) expect((await gpgsmVerify(bytes, root)).stdout).toContain("TRUST_FULLY");
    if (isInstalled("cmsutil")) expect(await nssStatus(bytes, root)).toBe("GoodSignature");
  },
);
