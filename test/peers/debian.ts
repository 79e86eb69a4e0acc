import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Folder of unpacked packages, so that each is fetched once. */
const CACHE = join(tmpdir(), "sealpost-peers");

/** Runs a program to its end. @throws with its errors if it fails. */
export function run(command: readonly string[], cwd = "/"): string {
  const { success, stdout, stderr } = Bun.spawnSync([...command], { cwd, stdout: "pipe", stderr: "pipe" });
  if (!success) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.toString();
}

/**
 * Fetches Debian packages and unpacks them without installing: those of mail servers exclude each other.
 * @returns the folder that stands for `/`.
 */
export function unpackPackages(name: string, packages: readonly string[]): string {
  const root = join(CACHE, name);
  if (existsSync(root)) return root;
  const work = join(CACHE, `${name}-${process.pid}`);
  const target = join(work, "root");
  mkdirSync(target, { recursive: true });
  // APT fetches as a user of its own, who has to be able to write here, or else warns.
  run(["apt-get", "download", ...packages], work);
  for (const file of readdirSync(work).filter((entry) => entry.endsWith(".deb"))) {
    run(["dpkg", "-x", join(work, file), target]);
  }
  renameSync(target, root);
  rmSync(work, { recursive: true });
  return root;
}

/** Folder of the libraries of a package for this architecture. */
export function libraryPath(root: string): string {
  const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  return `${root}/usr/lib/${triplet}`;
}

/** Reason why packages cannot be unpacked and run here. `null` if they can. */
export function debianObstacle(): string | null {
  if (process.getuid?.() !== 0) return "it needs root";
  const missing = ["apt-get", "dpkg", "unshare"].find((program) => Bun.which(program) === null);
  return missing === undefined ? null : `${missing} is not installed`;
}
