import { expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";

setDefaultTimeout(TEST_MS);

if (openssl === null) console.warn("Skipped: an authority in a file; openssl is not installed");

test.skipIf(openssl === null)("mail goes to smtps:// with a private authority from a file", async () => {
  using folder = temporaryFolder();
  const { ca, good } = makeTlsMaterial();
  const path = `${folder.path}/ca.pem`;
  await Bun.write(path, ca);
  await using smtp = await startSmtpServer({ security: "implicit", tls: good });
  await using sealpost = await startSealpost({ folder: folder.path, env: { SEALPOST_TLS_CA: path } });
  const { body } = await (await sealpost.logIn()).test({
    server: `smtps://localhost:${smtp.port}`,
    sender: "a@example.org",
    recipient: "b@example.net",
    timeout: 10,
  });
  expect(body.result.value).toBe(true);
  expect(smtp.messages).toMatchObject([{ isTls: true, recipients: ["b@example.net"] }]);
});
