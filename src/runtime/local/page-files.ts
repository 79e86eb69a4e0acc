import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { getLogger } from "@logtape/logtape";
import { codeOf } from "../invalid-setting.ts";

const log = getLogger(["sealpost", "entry"]);

/** The built page: in `dist/page/` of the repository, which is also where the package has it. */
const FOLDER = import.meta.url.endsWith(".ts") ? "../../../dist/page/ui/" : "../../../page/ui/";
/** Text that is worth compressing. */
const COMPRESSED = /\.(js|css|svg)$/;
/** The highest quality takes ten times as long, and saves 4 %. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** Reads the built page whole: it is small, and no request can then name another file. */
export async function readPageFiles(): Promise<Files> {
  const folder = new URL(FOLDER, import.meta.url);
  try {
    const names = await readdir(folder);
    const read = async (name: string) =>
      [name, new Uint8Array(await readFile(new URL(name, folder)))] as const;
    return await withCompressed(new Map(await Promise.all(names.map(read))));
  } catch (error) {
    const path = fileURLToPath(folder);
    log.warning("The admin page cannot be read from {path}{problem}: build it with npm run build", {
      path,
      problem: codeOf(error),
    });
    return new Map();
  }
}

/** Adds the compressed form of each text, by Brotli (`.br`) and gzip (`.gz`). */
export async function withCompressed(files: Files): Promise<Files> {
  const compressed = [...files]
    .filter(([name]) => COMPRESSED.test(name))
    .flatMap(([name, bytes]) => [
      promisify(gzip)(bytes).then((result) => [`${name}.gz`, new Uint8Array(result)] as const),
      promisify(brotliCompress)(bytes, BROTLI).then(
        (result) => [`${name}.br`, new Uint8Array(result)] as const,
      ),
    ]);
  return new Map([...files, ...(await Promise.all(compressed))]);
}
