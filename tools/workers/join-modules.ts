import { dirname, join } from "node:path";
import type { BunPlugin } from "bun";

const ROOT = join(import.meta.dir, "..", "..");

/** Files that are loaded on demand, by the module that has them: together they weigh less, and one load brings all. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  smime: [
    "src/smime/certificate.ts",
    "src/smime/encrypt.ts",
    "src/smime/explain.ts",
    "src/smime/key-encryption.ts",
    "src/smime/path.ts",
    "src/smime/recipient.ts",
    "src/smime/separate.ts",
    // Most forms with files bring a key.
    "src/wire/form-bytes.ts",
  ],
  apis: [
    // The page that ends a sign-in, which redeems a code.
    "src/http/oauth-page.ts",
    "src/oauth/authorization-code.ts",
    "src/oauth/device-code.ts",
    "src/oauth/request-token.ts",
    "src/transport/graph/index.ts",
    "src/transport/mail-api/index.ts",
    "src/transport/ses/index.ts",
  ],
  hints: ["src/domain/hints/index.ts", "src/mail/hints/hint-for.ts", "src/mail/describe-spans.ts"],
};

/** Name of the module of each file. */
const NAMES = new Map(
  Object.entries(MODULES).flatMap(([name, files]) => files.map((file) => [join(ROOT, file), name] as const)),
);

/** Joins modules that Bun would split, one for each `import()`. */
export const joinModules: BunPlugin = {
  name: "join modules",
  setup(build) {
    build.onResolve({ filter: /^\..*\.ts$/ }, ({ kind, path, importer }) => {
      const name = kind === "dynamic-import" ? NAMES.get(join(dirname(importer), path)) : undefined;
      return name === undefined ? undefined : { path: name, namespace: "joined" };
    });
    build.onLoad({ filter: /./, namespace: "joined" }, ({ path }) => ({
      contents: (MODULES[path] ?? []).map((file) => `export * from "${join(ROOT, file)}";`).join("\n"),
      loader: "ts",
    }));
  },
};
