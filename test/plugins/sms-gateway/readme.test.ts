import { expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { startSealpost } from "../../fixtures/process/sealpost.ts";
import { obstacle, runBlock, shellBlocks } from "../readme-examples.ts";

setDefaultTimeout(TEST_MS);

test.skipIf(obstacle !== "")("the README's curl example sends a message to the gateway", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using sealpost = await startSealpost({ folder: folder.path });
  const variables = {
    URL: sealpost.url,
    PASSWORD: sealpost.password ?? "",
    SERVER: `127.0.0.1:${smtp.port}`,
  };
  const [block = ""] = shellBlocks("sms-gateway");
  const sent = (await runBlock(block, variables)).at(-1);
  expect(sent).toMatchObject({
    result: { value: true },
    detail: { recipient: "00491701234567@sms.example.org", delivery: { outcome: "sent" } },
  });
  expect(smtp.messages).toMatchObject([{ recipients: ["00491701234567@sms.example.org"] }]);
});
