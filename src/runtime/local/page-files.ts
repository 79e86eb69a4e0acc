import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { getLogger } from "@logtape/logtape";
import { codeOf } from "../invalid-setting.ts";

const log = getLogger(["sealpost", "entry"]);

/** The built page: in `dist/page/` of the repository, which is also where the package has it. */
const FOLDER = import.meta.url.endsWith(".ts") ? "../../../dist/page/ui/" : "../../../page/ui/";

/** Reads the built page whole: it is small, and no request can then name another file. */
export async function readPageFiles(): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const folder = new URL(FOLDER, import.meta.url);
  try {
    const names = await readdir(folder);
    const read = async (name: string) =>
      [name, new Uint8Array(await readFile(new URL(name, folder)))] as const;
    return new Map(await Promise.all(names.map(read)));
  } catch (error) {
    const path = fileURLToPath(folder);
    log.warning("The admin page cannot be read from {path}{problem}: build it with npm run build", {
      path,
      problem: codeOf(error),
    });
    return new Map();
  }
}
