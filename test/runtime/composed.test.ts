import { expect, setDefaultTimeout, test } from "bun:test";
import PostalMime from "postal-mime";
import { serveWorker } from "../../tools/workers/serve.ts";
import { denoPath } from "../fixtures/process/deno.ts";
import { builtWorker } from "../fixtures/worker-bundle.ts";
import { composed } from "./fixtures/composed.ts";

setDefaultTimeout(60_000);
const SCRIPT = new URL("fixtures/composed-script.ts", import.meta.url).pathname;
const WORKER = new URL("fixtures/composed-worker.ts", import.meta.url).pathname;
const expected = await composed();

test("composed messages keep file names and domains", async () => {
  const { attachments } = await PostalMime.parse(expected.slice(expected.lastIndexOf("\nFrom: ") + 1));
  expect(attachments.map(({ filename }) => filename).toSorted()).toEqual(
    [
      ...["Übersicht 漢字 „1“.pdf", `${"long".repeat(20)}.csv`],
      ...["attachment-3.png", "漢字漢字漢字漢字漢字漢字.txt"],
    ].toSorted(),
  );
  expect(expected).toContain("STRAẞE ann@xn--strae-oqa.example\n");
});

test.skipIf(denoPath === null)("Deno composes the same bytes", async () => {
  const child = Bun.spawn([denoPath ?? "", "run", "--allow-env", "--allow-read", SCRIPT], {
    ...{ stdout: "pipe", stderr: "inherit" },
  });
  expect(await new Response(child.stdout).text()).toBe(`${expected}\n`);
});

test("workerd composes the same bytes", async () => {
  const bundle = await builtWorker(WORKER);
  await using worker = await serveWorker({ bundle, bindings: {}, authorities: [], onLine: console.error });
  expect(await (await fetch(worker.url)).text()).toBe(expected);
});
