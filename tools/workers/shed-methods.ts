import type { BunPlugin } from "bun";

/**
 * Methods that Sealpost never calls. No bundler removes unused methods.
 *
 * nodemailer's composer has some for streams and files, addresses, envelopes and calendars: Sealpost reads the composed
 * tree and writes bodies and routing headers itself. Drizzle has relational queries and migrations.
 */
const NEVER_CALLED: Readonly<Record<string, readonly string[]>> = {
  "nodemailer/dist/esm/mime-node/index.js": [
    "replace",
    "remove",
    "build",
    "createReadStream",
    "transform",
    "processFunc",
    "stream",
    "_accessDisabled",
    "_destroyContentStreams",
    "_takeStreamContent",
    "_getStream",
    "setEnvelope",
    "getEnvelope",
    "getAddresses",
    "_parseAddresses",
    "_parseEnvelopeAddresses",
    "_normalizeParsedAddresses",
    "_convertAddresses",
    "_normalizeAddress",
    "_normalizeLocalPart",
    "_encodeAddressName",
    "_generateMessageId",
  ],
  "nodemailer/dist/esm/mail-composer/index.js": ["_getIcalEvent", "_processDataUrl"],
  "drizzle-orm/sqlite-core/dialect.js": ["buildRelationalQuery", "async migrate"],
  "drizzle-orm/libsql/session.js": ["async migrate"],
};

/** Removes those methods, and with them the modules that only they import. */
export const shedMethods: BunPlugin = {
  name: "shed methods",
  setup(build) {
    for (const [file, methods] of Object.entries(NEVER_CALLED)) {
      const filter = new RegExp(`/node_modules/${file.replaceAll(".", "\\.")}$`);
      build.onLoad({ filter }, async ({ path }) => {
        const text = await Bun.file(path).text();
        return { contents: methods.reduce(withoutMethod, text), loader: "js" };
      });
    }
  },
};

/** @throws {Error} if the class has no such method, as after an update of the package. */
function withoutMethod(text: string, method: string): string {
  const found = new RegExp(`^( {2,4})${method}\\([\\s\\S]*?^\\1\\}\\n`, "m").exec(text);
  if (found === null) throw new Error(`No class has a method ${method}`);
  return text.replace(found[0], () => "");
}
