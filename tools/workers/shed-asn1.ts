import type { BunPlugin } from "bun";

/** pkijs creates a cryptographic engine on load, which references all of its code. Reading certificates needs no engine. */
const ENGINE = /^initCryptoEngine\(\);$/m;
/** Each class sets its name on load, a side effect that makes bundlers keep it. */
const CLASS = /^var (\w+) = (class [\s\S]*?^\});$/gm;
/** Types of extensions by which pkijs parses values when they are read. Sealpost reads four. */
const EXTENSION_TYPE =
  /^\t+ExtensionValueFactory\.register\(\w+, "(?!SubjectAltName|AuthorityKeyIdentifier|BasicConstraints|ExtKeyUsage")\w+", \w+\);\n/gm;
/** Methods that only describe a value. */
const DESCRIPTION = /^(\t+)(?:toJSON|onAsciiEncoding)\([^\n]*\) \{\n[\s\S]*?^\1\}\n/gm;

/** Shorter ways to the same result, for many or large values. */
const SHORTCUTS = ["tryFastFromBER", "shouldUseBuiltinEncoder", "tryEncodeBuiltin"];
const REGISTRATION = /^register(?:BuiltinEncoder|FastParser)\(\{[\s\S]*?^\}\);$/gm;
/** Original methods, by which the shortcuts find out whether they apply. */
const ORIGINAL = /^const ORIGINAL_(?!LOCAL_INTEGER_TO_STRING)\w+ = .*;$/gm;

/** Leaves the parts of pkijs and asn1js that read certificates and keys, and write keys and signatures. */
export const shedAsn1: BunPlugin = {
  name: "shed ASN.1",
  setup(build) {
    build.onLoad({ filter: /\/node_modules\/pkijs\/build\/index\.js$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      const lean = [ENGINE, EXTENSION_TYPE, DESCRIPTION].reduce(without, text);
      return { contents: lean.replace(CLASS, "var $1 = /* @__PURE__ */ (() => $2)();"), loader: "js" };
    });
    build.onLoad({ filter: /\/node_modules\/asn1js\/build\/index\.js$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      const lean = [REGISTRATION, ORIGINAL, DESCRIPTION].reduce(without, text);
      return { contents: SHORTCUTS.reduce(withoutShortcut, lean), loader: "js" };
    });
  },
};

/** @throws {Error} if the package has no such part, as after an update. */
function without(text: string, part: RegExp): string {
  const lean = text.replace(part, "");
  if (lean === text) throw new Error(`Nothing to leave out: ${part}`);
  return lean;
}

function withoutShortcut(text: string, name: string): string {
  const found = new RegExp(`^function ${name}\\([^\\n]*\\) \\{\\n[\\s\\S]*?^\\}\\n`, "m").exec(text);
  if (found === null) throw new Error(`asn1js has no function ${name}`);
  return text.replace(found[0], () => `function ${name}() {}\n`);
}
