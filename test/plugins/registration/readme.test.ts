import { expect, test } from "bun:test";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { followReadme, MISSING } from "../../fixtures/readme-examples.ts";

if (MISSING.length > 0) console.warn(`Skipped: the example of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example registers a user, who confirms with the code of the message",
  async () => {
    const envelopes = await followReadme("registration");
    expect(envelopes.map(({ result }) => result.status)).not.toContain(false);
    expect(envelopes.at(-1)).toMatchObject({ result: { value: true }, detail: { username: "ann" } });
  },
  TEST_MS,
);
