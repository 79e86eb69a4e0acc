import { join } from "node:path";
import { ROOT } from "../../tools/gate/sources.ts";
import type { Walk } from "./trace.ts";

const HEADINGS: Readonly<Record<Walk, string>> = {
  "test-mail": "A signed test message",
  "email-code": "A code by email",
  definition: "Saving a definition",
};
/** A numbered line that starts with a file. */
const ITEM = /^\d+\. `([^`]+)`/gm;

/** Returns the files that src/README.md lists for a walk, in its order. */
export async function describedFiles(walk: Walk): Promise<readonly string[]> {
  const page = await Bun.file(join(ROOT, "src", "README.md")).text();
  const section = page.split(/^## /m).find((text) => text.startsWith(`${HEADINGS[walk]}\n`)) ?? "";
  return [...section.matchAll(ITEM)].map(([, path = ""]) =>
    path.startsWith("plugins/") ? path : `src/${path}`,
  );
}
