import manifest from "../package.json";
import { PEERS } from "../src/runtime/local/peers.ts";

/** The file that every door of the built package imports first. */
export const NODE_22 = "src/runtime/node-22.ts";

/** Dependencies that a host app installs only if it needs them; `loadOptional` loads them. */
const OPTIONAL = [
  "@opentelemetry/api",
  "@opentelemetry/context-async-hooks",
  "@opentelemetry/exporter-trace-otlp-proto",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace",
  "bullmq",
  "ioredis",
  "postal-mime",
] as const;
/** The host app chooses its SDK of OpenTelemetry, also one that is older than that of this repository. */
const WIDER: Readonly<Record<string, string>> = {
  "@opentelemetry/api": ">=1.9.0 <2.0.0",
  "@opentelemetry/context-async-hooks": ">=2.12.0 <4.0.0",
  "@opentelemetry/exporter-trace-otlp-proto": ">=0.223.0 <1.0.0",
  "@opentelemetry/resources": ">=2.12.0 <4.0.0",
  "@opentelemetry/sdk-trace": ">=2.12.0 <4.0.0",
};

/**
 * The same range as that of `@libsql/client`, so that both get one copy. Of two copies of SQLite in one process, each
 * drops the locks of the other when it closes a file.
 */
const SHARED = { libsql: "^0.5.28" } as const;

/** The host app has a runtime, and the built admin page contains its libraries. */
const LEFT_OUT = ["bun", "preact", "@preact/signals"];

/**
 * Returns the package.json of the published package: the host app brings the peer dependencies.
 * @param repository `owner/name` on GitHub, which npm compares with the provenance.
 */
export function publishedManifest(repository = process.env.GITHUB_REPOSITORY): object {
  const { private: _, scripts: __, devDependencies: ___, dependencies, ...kept } = manifest;
  const peers = Object.entries(PEERS).map(([name, { min, below }]) => [name, `>=${min} <${below}`]);
  const optional = OPTIONAL.map((name) => [name, WIDER[name] ?? `^${dependencies[name]}`]);
  const others = new Set([...peers, ...optional].map(([name]) => name).concat(LEFT_OUT));
  return {
    ...kept,
    ...(repository && { repository: { type: "git", url: `git+https://github.com/${repository}.git` } }),
    sideEffects: [NODE_22.replace("src/", "./dist/module/").replace(/\.ts$/, ".js")],
    dependencies: {
      ...Object.fromEntries(Object.entries(dependencies).filter(([name]) => !others.has(name))),
      ...SHARED,
    },
    peerDependencies: Object.fromEntries([...peers, ...optional].sort()),
    peerDependenciesMeta: Object.fromEntries(OPTIONAL.map((name) => [name, { optional: true }])),
  };
}
