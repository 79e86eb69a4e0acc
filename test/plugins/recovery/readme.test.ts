import { expect, test } from "bun:test";
import { MISSING, walkOf } from "../../fixtures/plugin-walk.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";

if (MISSING.length > 0) console.warn(`Skipped: the walk of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example sets a new password",
  async () => {
    await using walk = await walkOf("recovery");
    while (walk.commands.length > 1) expect((await walk.next()).result.status).toBe(true);
    const CODE = /code=(\w{24})/.exec((await walk.mail(0)).text ?? "")?.[1] ?? "";
    expect((await walk.next({ CODE })).result.value).toBe(true);
  },
  TEST_MS,
);
