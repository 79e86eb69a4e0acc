import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { builtProgram } from "../fixtures/process/node.ts";

export const ROOT = join(import.meta.dir, "..", "..");
/** Packing takes 3 seconds, an install under 1 second from the cache and up to 30 from the registry. */
export const TEST_MS = 60_000;
const RUN_MS = 50_000;

/** The packed package. */
export interface Tarball {
  readonly path: string;
  /** Paths of its files, relative to its root. */
  readonly files: readonly string[];
  readonly bytes: number;
}

interface PackReport {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

let packed: Promise<Tarball> | undefined;
let kept: Folder | undefined;
process.on("exit", () => kept?.[Symbol.dispose]());

/** Packs the package once for all tests. */
export function tarball(): Promise<Tarball> {
  packed ??= pack();
  return packed;
}

async function pack(): Promise<Tarball> {
  kept = temporaryFolder();
  await builtProgram();
  const pack = ["npm", "pack", "./dist/package", "--json", "--pack-destination", kept.path];
  const report = await run(pack, ROOT);
  const [made]: readonly PackReport[] = JSON.parse(report);
  if (made === undefined) throw new Error(`npm pack made nothing: ${report}`);
  const files = made.files.map(({ path }) => path).toSorted();
  return { path: join(kept.path, made.filename), files, bytes: made.size };
}

/** An empty project with Sealpost from the tarball, and the packages that a host app brings. */
export interface Project extends Disposable {
  readonly path: string;
}

/** The peer dependencies; the optional ones are for tests and for the wake by Redis. */
const PACKAGES = ["hono", "drizzle-orm@0.45", "valibot", "postal-mime", "bullmq", "ioredis"] as const;

/**
 * @param files texts by name.
 * @param packages what is installed next to the tarball.
 */
export async function makeProject(
  files: Readonly<Record<string, string>>,
  packages: readonly string[] = PACKAGES,
): Promise<Project> {
  const { path: packagePath } = await tarball();
  const folder = temporaryFolder();
  await mkdir(join(folder.path, "data"));
  const manifest = JSON.stringify({ private: true, type: "module" });
  for (const [name, text] of Object.entries({ "package.json": manifest, ...files })) {
    await Bun.write(join(folder.path, name), text);
  }
  await run([process.execPath, "add", packagePath, ...packages], folder.path);
  return folder;
}

/** Returns why nothing can be packed and installed here, or an empty string. */
export async function findObstacle(): Promise<string> {
  if (Bun.which("npm") === null) return "npm is not installed";
  using folder = temporaryFolder();
  await Bun.write(join(folder.path, "package.json"), "{}");
  try {
    await run([process.execPath, "add", "hono"], folder.path);
    return "";
  } catch (error) {
    return `the registry gives nothing: ${error}`;
  }
}

/** Runs a program to its end. @returns its standard output. @throws {Error} with all of its output if it fails. */
export async function run(
  command: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  // If npx runs the tests, its settings must not reach npm in the project.
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")),
  );
  const child = Bun.spawn([...command], {
    cwd: folder,
    env: { ...inherited, PATH: `${join(ROOT, "node_modules", ".bin")}:${process.env.PATH ?? ""}`, ...env },
    stdout: "pipe",
    stderr: "pipe",
    timeout: RUN_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(" ")} failed\n${stdout}\n${stderr}`);
  return stdout;
}
