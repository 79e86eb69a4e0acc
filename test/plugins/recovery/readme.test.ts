import { expect, test } from "bun:test";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { MISSING, startReadmeExamples } from "../../fixtures/readme-examples.ts";

if (MISSING.length > 0) console.warn(`Skipped: the example of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example sets a new password",
  async () => {
    await using examples = await startReadmeExamples("recovery");
    while (examples.commands.length > 1) expect((await examples.next()).result.status).toBe(true);
    const CODE = /code=(\w{24})/.exec((await examples.mail(0)).text ?? "")?.[1] ?? "";
    expect((await examples.next({ CODE })).result.value).toBe(true);
  },
  TEST_MS,
);
