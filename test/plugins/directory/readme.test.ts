import { expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { MISSING, startReadmeExamples } from "../../fixtures/readme-examples.ts";

setDefaultTimeout(TEST_MS);
if (MISSING.length > 0) console.warn(`Skipped: the examples of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)("the README's examples create, find and delete a user", async () => {
  await using examples = await startReadmeExamples("directory");
  expect((await examples.next()).result.value).toEqual(expect.any(String));
  expect((await examples.next()).result.value).toMatchObject([{ email: "ann@example.org" }]);
  expect((await examples.next()).result.value).toBe(true);
  expect(examples.commands).toEqual([]);
});

test.skipIf(MISSING.length > 0)("the README's examples change an address once it is confirmed", async () => {
  await using smtp = await startSmtpServer();
  await using examples = await startReadmeExamples("directory", "With `confirm_email=true`");
  const post = `curl -s -H "Authorization: $TOKEN" ${examples.url}`;
  examples.commands.unshift(
    `${post}/smtpserver/default -d server=127.0.0.1:${smtp.port} -d sender=app@example.org`,
    `${post}/user/ -d username=ann -d email=ann@example.org`,
  );
  for (let count = 0; count < 3; count++) expect((await examples.next()).result.status).toBe(true);
  const toNewAddress = () => smtp.messages.find(({ recipients }) => recipients.includes("ann@example.net"));
  while (toNewAddress() === undefined) await Bun.sleep(20);
  const [CODE = ""] =
    /\b\d{8}\b/.exec(new TextDecoder().decode(toNewAddress()?.bytes).split("\r\n\r\n")[1] ?? "") ?? [];
  expect((await examples.next({ CODE })).result.value).toBe(true);
  expect(examples.commands).toEqual([]);
});
