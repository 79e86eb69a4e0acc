import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { run, scratchFile } from "../fixtures/smime/openssl.ts";

setDefaultTimeout(TEST_MS);

const README = join(import.meta.dir, "..", "..", "README.md");
const MISSING = ["bash", "curl", "openssl", "sed"].filter((program) => Bun.which(program) === null);
const obstacle = existsSync(README)
  ? MISSING.map((program) => `${program} is not installed`).join()
  : "there is no README.md";
if (obstacle !== "") console.warn(`Skipped: the README's walk; ${obstacle}`);

/** The first fenced block of shell below the heading that names curl. */
function curlWalk(): string {
  const [, block] =
    /^#+ [^\n]*\bcurl\b[^\n]*\n(?:(?!#).*\n)*?```(?:sh|bash)\n([\s\S]*?)^```$/m.exec(
      readFileSync(README, "utf8"),
    ) ?? [];
  if (block === undefined) throw new Error("README.md has no block of shell below a heading with curl");
  return block;
}

test.skipIf(obstacle !== "")(
  "the README's walk with curl delivers a signed mail that openssl verifies",
  async () => {
    using folder = temporaryFolder();
    await using smtp = await startSmtpServer();
    await using sealpost = await startSealpost({ folder: folder.path });
    const [from, to] = ["otp@example.org", "you@example.net"];
    const variables = {
      URL: sealpost.url,
      PASSWORD: sealpost.password ?? "",
      SERVER: `127.0.0.1:${smtp.port}`,
      FROM: from,
      TO: to,
    };
    const script = `set -eu -o pipefail\ncd ${folder.path}\n${curlWalk()}`;
    const { code, stdout, stderr } = await run(["bash", "-c", script], variables);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toEndWith("}");
    const last = JSON.parse(stdout.slice(stdout.lastIndexOf('{"jsonrpc"')));
    expect(last).toMatchObject({
      result: { status: true, value: true },
      detail: { smime: { signed: true } },
    });

    expect(smtp.messages).toMatchObject([{ from, recipients: [to] }]);
    const mail = scratchFile(smtp.messages[0]?.bytes ?? "");
    const trusted = ["-CAfile", join(folder.path, "cert.pem")];
    const verified = await run(["openssl", "cms", "-verify", "-in", mail, ...trusted]);
    expect(verified.stderr).toContain("successful");
    expect(verified.stdout).toContain("Subject: Test Email from Sealpost");
  },
);
