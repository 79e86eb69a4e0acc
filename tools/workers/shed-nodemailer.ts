import type { BunPlugin } from "bun";

/**
 * Methods of nodemailer's composer that Sealpost never calls: streams and files, addresses, envelopes, calendars. It
 * reads the composed tree and writes bodies and routing headers itself. No bundler removes unused methods.
 */
const NEVER_CALLED: Readonly<Record<string, readonly string[]>> = {
  "mime-node": [
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
  "mail-composer": ["_getIcalEvent", "_processDataUrl"],
};

/** Removes those methods, and with them the modules that only they import. */
export const shedNodemailer: BunPlugin = {
  name: "shed nodemailer",
  setup(build) {
    for (const [folder, methods] of Object.entries(NEVER_CALLED)) {
      const filter = new RegExp(`/node_modules/nodemailer/dist/esm/${folder}/index\\.js$`);
      build.onLoad({ filter }, async ({ path }) => {
        const text = await Bun.file(path).text();
        return { contents: methods.reduce(withoutMethod, text), loader: "js" };
      });
    }
  },
};

/** @throws {Error} if the class has no such method, as after an update of the package. */
function withoutMethod(text: string, method: string): string {
  const found = new RegExp(`^    ${method}\\([^\\n]*\\) \\{\\n[\\s\\S]*?^    \\}\\n`, "m").exec(text);
  if (found === null) throw new Error(`nodemailer's composer has no method ${method}`);
  return text.replace(found[0], () => "");
}
