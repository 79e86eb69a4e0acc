import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BunPlugin } from "bun";
import { type Config, parseConfig } from "../../src/config.ts";
import { CONFIG_FILE } from "../../src/runtime/local/load-plugins.ts";
import { shedNodemailer } from "./shed-nodemailer.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** Where the Worker's modules lie; `wrangler.jsonc` names the main one. */
export const WORKER_FOLDER = join(ROOT, "dist", "workers");

const WORKER_SOURCES = join(ROOT, "src", "runtime", "workers");
const MAILER = join(WORKER_SOURCES, "worker-mailer.ts");
const PLUGIN_CONFIG = join(ROOT, CONFIG_FILE);
const LIBRARY_SOCKETS = join(ROOT, "src", "transport", "worker-mailer", "sockets.ts");

const LOGTAPE_FORMATTERS = [
  ...["ansiColorFormatter", "defaultConsoleFormatter", "defaultTextFormatter", "jsonLinesFormatter"],
  ...["logfmtFormatter", "getAnsiColorFormatter", "getConsoleFormatter", "getJsonLinesFormatter"],
  ...["getLogfmtFormatter", "getTextFormatter"],
];

const LOGTAPE_SCOPES = [
  ...["compileScopedConfig", "disposeScopedConfig", "disposeScopedConfigSync", "emitWithScopedConfig"],
  ...["getScopedLogger", "runWithScopedConfig", "scopedConfigCapturesSourceLocation", "scopedConfigHasSink"],
];
const DRIZZLE_RELATIONS = [
  ...["createTableRelationsHelpers", "extractTablesRelationalConfig", "getOperators", "getOrderByOperators"],
  ...["normalizeRelation", "mapRelationalRow", "relations", "createOne", "createMany"],
];

/** Modules that are never reached, and what stands in for them. */
const LEFT_OUT: readonly (readonly [path: RegExp, contents: string])[] = [
  // hono-openapi asks for the schema library of whoever uses it; here that is valibot.
  [/^(effect|sury|zod|zod\/.*|zod-openapi|zod-to-json-schema)$/, "export {};"],
  // nodemailer would fetch what a message names by URL, which is turned off; it brings node:http and node:zlib.
  [/^\.\.\/fetch\/index\.js$/, 'export default () => { throw new TypeError("Nothing is fetched"); };'],
  // hrana-client's base64, for runtimes that have none.
  [
    /^js-base64$/,
    "export const Base64 = { fromUint8Array: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'), toUint8Array: (text) => new Uint8Array(Buffer.from(text, 'base64')) };",
  ],
  // The ASN.1 packages' hexadecimal, in many notations of which they use one.
  [
    /^\.\/encoding\/hex\.js$/,
    `const viewOf = (data) => ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
     export const hex_exports = {
       encode: (data) => Buffer.from(viewOf(data)).toString("hex"),
       decode: (text) => new Uint8Array(Buffer.from(text, "hex")),
     };`,
  ],
  // Drizzle's relational queries; ours are selects.
  [/^\.\/query-builders\/query\.js$/, "export class RelationalQueryBuilder {}"],
  [
    /^(\.\.\/)+relations\.js$/,
    `const relational = () => { throw new TypeError("Nothing is relational here"); };
     export class Relation {} export class Relations {} export class One {} export class Many {}
     export { ${DRIZZLE_RELATIONS.map((name) => `relational as ${name}`).join(", ")} };`,
  ],
  // LogTape's formatters; the Worker's log has its own.
  [
    /^\.\/formatter\.js$/,
    `const refuse = () => { throw new TypeError("Nothing is formatted here"); };
     export { ${LOGTAPE_FORMATTERS.map((name) => `refuse as ${name}`).join(", ")} };`,
  ],
  // LogTape's configurations of a part of a program, and places in source code: the Worker has neither.
  [
    /^\.\/scoped-config\.js$/,
    `const refuse = () => { throw new TypeError("Nothing is scoped here"); };
     export const getCurrentScopedConfig = () => undefined;
     export const throwCombinedErrors = (...errors) => { throw new AggregateError(errors, 'Logging failed'); };
     export { ${LOGTAPE_SCOPES.map((name) => `refuse as ${name}`).join(", ")} };`,
  ],
  [/^\.\/source-location\.js$/, "export const parseSourceLocation = () => undefined;"],
  // nodemailer's table of two thousand types of files; what we compose says its types.
  [
    /^\.\/mime-types\.js$/,
    'export const detectMimeType = () => "application/octet-stream"; export const detectExtension = () => "bin";',
  ],
];

const leaveOut: BunPlugin = {
  name: "leave out",
  setup(build) {
    for (const [at, [path, contents]] of LEFT_OUT.entries()) {
      build.onResolve({ filter: path }, () => ({ path: String(at), namespace: "left-out" }));
      build.onLoad({ filter: new RegExp(`^${at}$`), namespace: "left-out" }, () => ({
        contents,
        loader: "js",
      }));
    }
  },
};

/** pkijs makes a cryptographic engine when it is loaded, which refers to all of it; reading certificates needs none. */
const ENGINE = /^initCryptoEngine\(\);$/m;
/** Each of its classes sets its name when it is loaded, by which a bundler takes it for needed. */
const CLASS = /^var (\w+) = (class [\s\S]*?^\});$/gm;

const shedPkijs: BunPlugin = {
  name: "shed pkijs",
  setup(build) {
    build.onLoad({ filter: /\/node_modules\/pkijs\/build\/index\.js$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      if (!ENGINE.test(text)) throw new Error("pkijs makes its engine in another way");
      const apart = text.replace(CLASS, "var $1 = /* @__PURE__ */ (() => $2)();");
      return { contents: apart.replace(ENGINE, ""), loader: "js" };
    });
  },
};

/** Other rooms have files of the same names. */
const isOurs = (importer: string) => dirname(importer) === WORKER_SOURCES;

const withMailer: BunPlugin = {
  name: "with worker-mailer",
  setup(build) {
    build.onResolve({ filter: /^\.\/smtp\.ts$/ }, ({ importer }) =>
      isOurs(importer) ? { path: MAILER } : null,
    );
  },
};

/** A Worker has the plugins that the file beside it names. */
const withPlugins = (path: string): BunPlugin => ({
  name: "with plugins",
  setup(build) {
    build.onResolve({ filter: /^\.\/plugins\.ts$/ }, ({ importer }) => (isOurs(importer) ? { path } : null));
  },
});

/** worker-mailer gets no sockets of its own. */
const guardSockets: BunPlugin = {
  name: "guard sockets",
  setup(build) {
    build.onResolve({ filter: /^cloudflare:sockets$/ }, ({ importer }) =>
      importer.includes("/node_modules/worker-mailer/") ? { path: LIBRARY_SOCKETS } : undefined,
    );
  },
};

/** One file of a Worker. */
export interface WorkerModule {
  /** Relative to the others, such as `chunk-1.js`. */
  readonly name: string;
  readonly text: string;
}

/** A Worker, and what it is made of. */
export interface WorkerBundle {
  /** The main one first; the others are loaded by it. */
  readonly modules: readonly WorkerModule[];
  /** Paths of the sources that are in it. */
  readonly inputs: readonly string[];
  /** Modules that the runtime has to have. */
  readonly externals: readonly string[];
}

/**
 * Bundles a Worker: what is loaded on demand (pkijs) is a module of its own.
 * @param entry its source; default: Sealpost.
 * @param transport the one that Sealpost is to carry.
 * @param plugins path of the `sealpost.config.ts` that names its plugins, if it is there.
 * @throws {AggregateError} if something cannot be resolved.
 */
export async function bundleWorker(
  entry = join(WORKER_SOURCES, "worker.ts"),
  transport: Config["transport"] = "smtp",
  plugins = PLUGIN_CONFIG,
): Promise<WorkerBundle> {
  const { outputs, metafile } = await Bun.build({
    entrypoints: [entry],
    // So that node:… stays for the runtime, and require() of it becomes an import.
    target: "node",
    // Of packages that have one, the build for Workers is taken.
    conditions: ["workerd", "worker"],
    format: "esm",
    splitting: true,
    minify: true,
    metafile: true,
    external: ["cloudflare:*"],
    plugins: [
      leaveOut,
      shedPkijs,
      shedNodemailer,
      guardSockets,
      ...(transport === "worker-mailer" ? [withMailer] : []),
      ...(existsSync(plugins) ? [withPlugins(plugins)] : []),
    ],
  });
  const ordered = outputs.toSorted((left, right) => Number(isMain(right)) - Number(isMain(left)));
  const modules = await Promise.all(
    ordered.map(async (output) => ({ name: output.path.replace(/^\.\//, ""), text: await output.text() })),
  );
  const externals = modules.flatMap(({ text }) => externalsOf(text));
  return {
    modules,
    inputs: [
      ...new Set(Object.values(metafile?.outputs ?? {}).flatMap(({ inputs }) => usedOf(inputs))),
    ].toSorted(),
    externals: [...new Set(externals)].toSorted(),
  };
}

/** Writes the modules to a folder, which is emptied before. */
export async function writeWorker({ modules }: WorkerBundle, folder = WORKER_FOLDER): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const { name, text } of modules) await Bun.write(join(folder, name), text);
}

/** Without those of which nothing is left. */
function usedOf(inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>): string[] {
  return Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
}

function isMain({ kind }: { readonly kind: string }): boolean {
  return kind === "entry-point";
}

function externalsOf(text: string): string[] {
  const imports = new Bun.Transpiler({ loader: "js" }).scanImports(text);
  return imports.map(({ path }) => path).filter((path) => !path.startsWith("."));
}

if (import.meta.main) {
  const bundle = await bundleWorker(undefined, parseConfig(process.env).transport);
  await writeWorker(bundle);
  const bytes = bundle.modules.reduce((sum, { text }) => sum + Bun.gzipSync(text).length, 0);
  process.stdout.write(
    `dist/workers: ${bundle.modules.length} modules, ${(bytes / 1000).toFixed(0)} kB by gzip\n`,
  );
}
