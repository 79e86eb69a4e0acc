import { afterAll, setDefaultTimeout } from "bun:test";
import "./runtime/table.ts";

/** Ends a test that hangs. It does not measure: on a busy machine any test may take several times as long as usual. */
const HANGING_MS = 60_000;

setDefaultTimeout(HANGING_MS);

if (process.env.TEST_DATABASE === "object") {
  afterAll(async () => {
    const { stopObjects } = await import("./fixtures/object/connect.ts");
    await stopObjects();
  });
}
