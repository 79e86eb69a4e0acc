import { rm } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { BunPlugin } from "bun";
import { type Config, parseConfig } from "../../src/config.ts";
import { findConfig } from "../../src/runtime/local/load-plugins.ts";
import { writeDocument } from "./document.ts";
import { joinModules } from "./join-modules.ts";
import { joinStart, type WorkerModule } from "./join-start.ts";
import { minify } from "./minify.ts";
import { UNUSED } from "./never-called.ts";
import { UNUSED_BY_LIBSQL } from "./never-called-libsql.ts";
import { shedAsn1 } from "./shed-asn1.ts";
import { shedParts } from "./shed-parts.ts";
import { shedSources } from "./shed-sources.ts";
import { shedTables } from "./shed-tables.ts";
import { shortenExports } from "./short-exports.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** Folder of the Worker's modules; `wrangler.jsonc` names the main one. */
export const WORKER_FOLDER = join(ROOT, "dist", "workers");

const WORKER_SOURCES = join(ROOT, "src", "runtime", "workers");
/** Main source file of the default build, which has everything in a Durable Object. */
export const OBJECT_ENTRY = join(WORKER_SOURCES, "object.ts");
/** Main source file of the build for a libSQL server. */
export const LIBSQL_ENTRY = join(WORKER_SOURCES, "worker.ts");
const DEFAULT_ENTRIES = [OBJECT_ENTRY, LIBSQL_ENTRY];
const MAILER = join(WORKER_SOURCES, "worker-mailer.ts");
const LOG = join(WORKER_SOURCES, "console-log.ts");
const OWN_FOLDERS = ["src", "plugins"].map((name) => join(ROOT, name) + sep);
const LIBRARY_SOCKETS = join(ROOT, "src", "transport", "worker-mailer", "sockets.ts");

const DRIZZLE_RELATIONS = [
  "createTableRelationsHelpers",
  "extractTablesRelationalConfig",
  "getOperators",
  "getOrderByOperators",
  "normalizeRelation",
  "mapRelationalRow",
  "relations",
  "createOne",
  "createMany",
];

/** Modules with their replacements. */
type Replacements = readonly (readonly [path: RegExp, contents: string])[];

/** Modules that no code reaches. */
const LEFT_OUT: Replacements = [
  // hono-openapi imports every schema library that it supports; only valibot is used.
  [/^(effect|sury|zod|zod\/.*|zod-openapi|zod-to-json-schema)$/, "export {};"],
  // nodemailer's fetch of attachments by URL, which is disabled; it imports node:http and node:zlib.
  [/^\.\.\/fetch\/index\.js$/, 'export default () => { throw new TypeError("Nothing is fetched"); };'],
  // hrana-client's base64, for runtimes without Buffer.
  [
    /^js-base64$/,
    "export const Base64 = { fromUint8Array: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'), toUint8Array: (text) => new Uint8Array(Buffer.from(text, 'base64')) };",
  ],
  // The hexadecimal encoding of the ASN.1 packages, in many notations of which one is used.
  [
    /^\.\/encoding\/hex\.js$/,
    `const viewOf = (data) => ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
     export const hex_exports = {
       encode: (data) => Buffer.from(viewOf(data)).toString("hex"),
       decode: (text) => new Uint8Array(Buffer.from(text, "hex")),
     };`,
  ],
  // The streams by which pkijs reads certificate transparency timestamps, which nothing here asks for.
  [
    /^bytestreamjs$/,
    `class Unused { constructor() { throw new TypeError("No timestamps are read here"); } }
     export { Unused as ByteStream, Unused as SeqStream };`,
  ],
  // Drizzle's relational queries; Sealpost uses selects.
  [/^\.\/query-builders\/query\.js$/, "export class RelationalQueryBuilder {}"],
  [
    /^(\.\.\/)+relations\.js$/,
    `const relational = () => { throw new TypeError("Nothing is relational here"); };
     export class Relation {} export class Relations {} export class One {} export class Many {}
     export { ${DRIZZLE_RELATIONS.map((name) => `relational as ${name}`).join(", ")} };`,
  ],
  // nodemailer's table of two thousand file types; Sealpost names the type of every part.
  [
    /^\.\/mime-types\.js$/,
    'export const detectMimeType = () => "application/octet-stream"; export const detectExtension = () => "bin";',
  ],
];

/** Modules that plugins may reach, but neither Sealpost nor its own plugins. */
const LEFT_OUT_BY_DEFAULT: Replacements = [
  // Messages of hrana-client in Protocol Buffers, which the second version of its protocol does not have.
  [
    /^\.\/protobuf_encode\.js$/,
    "export const ClientMsg = null, CursorReqBody = null, PipelineReqBody = null;",
  ],
  // Sign-ins on another device, which only the command line starts.
  [
    /^\.\/device-sign-in\.ts$/,
    'export const createStartDeviceSignIn = () => () => { throw new TypeError("The command line is not part of a Worker"); };',
  ],
  // Foreign keys, which the build leaves out of tables with their other constraints.
  [/^\.\.\/foreign-keys\.js$/, "export class ForeignKeyBuilder {}"],
  // The first of hono's routers rejects Sealpost's paths; the second takes any.
  [/^\.\/router\/reg-exp-router\/router\.js$/, "export class RegExpRouter {}"],
  [
    /^\.\/router\/smart-router\/router\.js$/,
    "export class SmartRouter { constructor({ routers: [, router] }) { return router; } }",
  ],
];

const leaveOut = (replacements: Replacements): BunPlugin => ({
  name: "leave out",
  setup(build) {
    for (const [index, [path, contents]] of replacements.entries()) {
      build.onResolve({ filter: path }, () => ({ path: String(index), namespace: "left-out" }));
      build.onLoad({ filter: new RegExp(`^${index}$`), namespace: "left-out" }, () => ({
        contents,
        loader: "js",
      }));
    }
  },
});

/** The default builds leave out more: plugins of the operator, and other entries, find whole packages. */
const shedDefault = (entry: string): readonly BunPlugin[] => [
  leaveOut([...LEFT_OUT, ...LEFT_OUT_BY_DEFAULT]),
  shedSources,
  shedAsn1(),
  shedParts(entry === LIBSQL_ENTRY ? { ...UNUSED, ...UNUSED_BY_LIBSQL } : UNUSED),
];

/** Whether the importer is the Worker: other folders have files of the same names. */
const isOurs = (importer: string) => dirname(importer) === WORKER_SOURCES;

const withMailer: BunPlugin = {
  name: "with worker-mailer",
  setup(build) {
    build.onResolve({ filter: /^\.\/smtp\.ts$/ }, ({ importer }) =>
      isOurs(importer) ? { path: MAILER } : null,
    );
  },
};

/** Returns the path of the file that configures the plugins, or `null` for the default ones. */
async function findPlugins(): Promise<string | null> {
  const file = await findConfig(ROOT);
  return file === null ? null : join(ROOT, file);
}

/** Builds in the plugins of that file. */
const withPlugins = (path: string): BunPlugin => ({
  name: "with plugins",
  setup(build) {
    build.onResolve({ filter: /^\.\/plugins\.ts$/ }, ({ importer }) => (isOurs(importer) ? { path } : null));
  },
});

/** Gives worker-mailer sockets that Sealpost controls. */
const guardSockets: BunPlugin = {
  name: "guard sockets",
  setup(build) {
    build.onResolve({ filter: /^cloudflare:sockets$/ }, ({ importer }) =>
      importer.includes("/node_modules/worker-mailer/") ? { path: LIBRARY_SOCKETS } : undefined,
    );
  },
};

/** Name of the main module of every build, so that one `wrangler.jsonc` fits all. */
const MAIN_MODULE = "worker.[ext]";

/** Gives Sealpost and its plugins the small log of a Worker. Other plugins may use all of LogTape. */
const shedLogTape: BunPlugin = {
  name: "shed LogTape",
  setup(build) {
    build.onResolve({ filter: /^@logtape\/logtape$/ }, ({ importer }) =>
      OWN_FOLDERS.some((folder) => importer.startsWith(folder)) ? { path: LOG } : undefined,
    );
  },
};

interface WorkerPart {
  readonly path: string;
  /** Name of the module. */
  readonly module: string;
  /** Before gzip. */
  readonly bytes: number;
}

/** A built Worker. */
export interface WorkerBundle {
  /** The main module first; it loads the others. */
  readonly modules: readonly WorkerModule[];
  /** Paths of the sources that it contains. */
  readonly inputs: readonly string[];
  /** The share of each source in a module. */
  readonly parts: readonly WorkerPart[];
  /** Modules that the runtime must provide. */
  readonly externals: readonly string[];
  /** Whether the OpenAPI document must be among the static assets: the Worker has no route for it. */
  readonly needsDocument: boolean;
}

/**
 * Bundles a Worker. Code loaded on demand (pkijs) becomes a module of its own.
 * @param entry its main source file. Default: {@link LIBSQL_ENTRY}.
 * @param transport the transport to build in.
 * @param plugins path of the file with its plugins. Default: the `sealpost.config.ts`, `.js` or `.mjs` of the
 * project, if there is one.
 * @throws {AggregateError} if an import cannot be resolved.
 * @throws {SealpostError} `bad_setting` if two files configure the plugins.
 * @throws {Error} if a package no longer has what the build leaves out.
 */
export async function bundleWorker(
  entry = LIBSQL_ENTRY,
  transport: Config["transport"] = "smtp",
  plugins?: string,
): Promise<WorkerBundle> {
  const config = plugins ?? (await findPlugins());
  const isDefault = config === null && DEFAULT_ENTRIES.includes(entry);
  const { outputs, metafile } = await Bun.build({
    entrypoints: [entry],
    naming: { entry: MAIN_MODULE },
    // Leaves node:… to the runtime, and turns require() of it into an import.
    target: "node",
    // Takes the build for Workers of packages that have one.
    conditions: ["workerd", "worker"],
    format: "esm",
    splitting: true,
    minify: true,
    metafile: true,
    external: ["cloudflare:*"],
    plugins: [
      ...(isDefault ? shedDefault(entry) : [leaveOut(LEFT_OUT)]),
      joinModules,
      shedTables,
      shedLogTape,
      guardSockets,
      ...(transport === "worker-mailer" ? [withMailer] : []),
      ...(config === null ? [] : [withPlugins(config)]),
    ],
  });
  const ordered = outputs.toSorted((left, right) => Number(isMain(right)) - Number(isMain(left)));
  const split = await Promise.all(
    ordered.map(async (output) => ({ name: nameOf(output.path), text: await output.text() })),
  );
  const joined = await joinStart(split);
  const minified = await Promise.all(
    joined.modules.map(async ({ name, text }) => ({ name, text: await minify(text) })),
  );
  const modules = shortenExports(minified);
  const externals = modules.flatMap(({ text }) => externalsOf(text));
  const parts = Object.entries(metafile?.outputs ?? {}).flatMap(([path, { inputs }]) =>
    usedOf(joined.placeOf(nameOf(path)), inputs),
  );
  return {
    modules,
    inputs: [...new Set(parts.map(({ path }) => path))].toSorted(),
    parts,
    externals: [...new Set(externals)].toSorted(),
    needsDocument: isDefault,
  };
}

/** Writes the modules to a folder, which is emptied first. */
export async function writeWorker({ modules }: WorkerBundle, folder = WORKER_FOLDER): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const { name, text } of modules) await Bun.write(join(folder, name), text);
}

/** Returns the inputs that contribute code to the output. */
function usedOf(
  module: string,
  inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>,
): WorkerPart[] {
  return Object.entries(inputs).flatMap(([path, { bytesInOutput: bytes }]) =>
    bytes > 0 ? [{ path, module, bytes }] : [],
  );
}

const nameOf = (path: string) => path.replace(/^\.\//, "");

function isMain({ kind }: { readonly kind: string }): boolean {
  return kind === "entry-point";
}

function externalsOf(text: string): string[] {
  const imports = new Bun.Transpiler({ loader: "js" }).scanImports(text);
  return imports.map(({ path }) => path).filter((path) => !path.startsWith("."));
}

if (import.meta.main) {
  const entry = process.argv.includes("libsql") ? LIBSQL_ENTRY : OBJECT_ENTRY;
  const { transport, baseUrl } = parseConfig(process.env);
  const bundle = await bundleWorker(entry, transport);
  await writeWorker(bundle);
  await writeDocument(bundle, baseUrl);
  const bytes = bundle.modules.reduce((sum, { text }) => sum + Bun.gzipSync(text).length, 0);
  process.stdout.write(
    `dist/workers: ${bundle.modules.length} modules, ${(bytes / 1000).toFixed(0)} kB by gzip\n`,
  );
}
