import { expect, setDefaultTimeout, test } from "bun:test";
import PostalMime from "postal-mime";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { startSealpost } from "../../fixtures/process/sealpost.ts";
import { obstacle, runBlock, shellBlocks } from "../readme-examples.ts";
import { codeIn } from "./support.ts";

setDefaultTimeout(TEST_MS);

test.skipIf(obstacle !== "")("the README's curl example ends with ACCEPT", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using sealpost = await startSealpost({ folder: folder.path });
  const variables = {
    URL: sealpost.url,
    PASSWORD: sealpost.password ?? "",
    SERVER: `127.0.0.1:${smtp.port}`,
  };
  const [trigger = "", validate = ""] = shellBlocks("email-token");
  const triggered = (await runBlock(trigger, variables)).at(-1);
  expect(triggered?.result.authentication).toBe("CHALLENGE");
  const CODE = codeIn(await PostalMime.parse(smtp.messages[0]?.bytes ?? ""));
  const TRANSACTION = String(triggered?.detail?.transaction_id);
  const [checked] = await runBlock(validate, { ...variables, CODE, TRANSACTION });
  expect(checked?.result).toMatchObject({ value: true, authentication: "ACCEPT" });
});
