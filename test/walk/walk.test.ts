import { expect, setDefaultTimeout, test } from "bun:test";
import { TEST_MS } from "../fixtures/process/child.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { describedFiles } from "./readme.ts";
import { traceWalk, WALKS, type Walk } from "./trace.ts";

setDefaultTimeout(TEST_MS);
const HAS_OPENSSL = isInstalled("openssl");
if (!HAS_OPENSSL) console.warn("Skipped: the walks of src/README.md; openssl is not installed");

/** Files that a request may enter. Lower these when a walk gets shorter; they grow only with a reason. */
const BUDGETS: Readonly<Record<Walk, number>> = { "test-mail": 103, "email-code": 105, definition: 65 };

/** The later walks of the page leave out the files of the first. */
const shared = HAS_OPENSSL ? await traceWalk("test-mail") : [];

test.skipIf(!HAS_OPENSSL).each(WALKS)("%s enters the files of src/README.md, in order", async (walk) => {
  const files = walk === "test-mail" ? shared : await traceWalk(walk);
  const own = walk === "test-mail" ? files : files.filter((path) => !shared.includes(path));
  expect(own).toEqual([...(await describedFiles(walk))]);
  expect(files.length).toBeLessThanOrEqual(BUDGETS[walk]);
});
