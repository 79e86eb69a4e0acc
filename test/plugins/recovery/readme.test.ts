import { expect, test } from "bun:test";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { followReadme, MISSING } from "../../fixtures/readme-examples.ts";

if (MISSING.length > 0) console.warn(`Skipped: the example of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example sets a new password with the code of the message",
  async () => {
    const envelopes = await followReadme("recovery");
    expect(envelopes.map(({ result }) => result.status)).not.toContain(false);
    expect(envelopes.at(-1)?.result.value).toBe(true);
  },
  TEST_MS,
);
