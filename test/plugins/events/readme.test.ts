import { expect, test } from "bun:test";
import { MISSING, walkOf } from "../../fixtures/plugin-walk.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";

if (MISSING.length > 0) console.warn(`Skipped: the walk of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example sends a message",
  async () => {
    await using walk = await walkOf("events");
    while (walk.commands.length > 0) expect((await walk.next()).result.status).toBe(true);
    const { subject, text } = await walk.mail(0);
    expect([subject, text?.trim()]).toEqual(["Welcome, Ann", "Your account is ann."]);
  },
  TEST_MS,
);
