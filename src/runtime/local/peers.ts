import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { SealpostError } from "../../errors.ts";

/** Versions of a package that Sealpost works with. */
interface PeerRange {
  /** The first version that the tests pass with. */
  readonly min: string;
  /** The first version that may break. */
  readonly below: string;
}

/** The packages of which the host app has the only copy. The build writes the ranges into the published package.json. */
export const PEERS: Readonly<Record<string, PeerRange>> = {
  "drizzle-orm": { min: "0.45.0", below: "0.46.0" },
  hono: { min: "4.11.2", below: "5.0.0" },
  valibot: { min: "1.5.0", below: "2.0.0" },
};

/**
 * Checks the installed peer dependencies: Bun installs a version outside of the range without an error. A package that
 * cannot be found, in a bundle for example, is not checked.
 * @throws {SealpostError} `bad_setting` naming the version found.
 */
export function assertPeers(versionOf: (name: string) => string | null = installedVersion): void {
  const problems = Object.entries(PEERS).flatMap(([name, { min, below }]) => {
    const version = versionOf(name);
    if (version === null || (!isBelow(version, min) && isBelow(version, below))) return [];
    return [`${name} ${version} is installed, but Sealpost needs >=${min} <${below}`];
  });
  if (problems.length === 0) return;
  throw new SealpostError("bad_setting", `${problems.join("; ")}: change the version in your package.json`);
}

/** Returns the version of the package that this file would import. */
function installedVersion(name: string): string | null {
  // It would ask the user for permission to read the file.
  if ("Deno" in globalThis) return null;
  try {
    for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
      const version = versionIn(join(folder, name, "package.json"));
      if (version !== null) return version;
    }
  } catch {
    // There are no folders of packages around a bundle.
  }
  return null;
}

function versionIn(file: string): string | null {
  try {
    const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
    const hasVersion = typeof manifest === "object" && manifest !== null && "version" in manifest;
    return hasVersion && typeof manifest.version === "string" ? manifest.version : null;
  } catch {
    return null;
  }
}

/** Compares major, minor and patch; a prerelease counts as its release. */
function isBelow(version: string, limit: string): boolean {
  const [left, right] = [version, limit].map((text) => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number));
  for (const [index, number] of (right ?? []).entries()) {
    const other = left?.[index] ?? 0;
    if (other !== number) return other < number;
  }
  return false;
}
