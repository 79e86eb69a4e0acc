import { expect, test } from "bun:test";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { MISSING, startReadmeExamples } from "../../fixtures/readme-examples.ts";

if (MISSING.length > 0) console.warn(`Skipped: the example of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example sends a message",
  async () => {
    await using examples = await startReadmeExamples("events");
    while (examples.commands.length > 0) expect((await examples.next()).result.status).toBe(true);
    const { subject, text } = await examples.mail(0);
    expect([subject, text?.trim()]).toEqual(["Welcome, Ann", "Your account is ann."]);
  },
  TEST_MS,
);
