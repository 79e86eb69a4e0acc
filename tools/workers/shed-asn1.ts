import { ASN1JS, PKIJS } from "./never-called-asn1.ts";
import { changePackages } from "./shed-parts.ts";
import { withoutParts } from "./without-parts.ts";

/** pkijs creates a cryptographic engine on load, which references all of its code. Reading certificates needs no engine. */
const ENGINE = /^initCryptoEngine\(\);$/m;
/** An identifier of an extension that Sealpost does not read, encoded on load. */
const EXTENSION_ID = /^const SCT_EXTENSION_OID = .*;$/gm;
/** Each class sets its name on load, a side effect that makes bundlers keep it. */
const CLASS = /^var (\w+) = (class [\s\S]*?^\});$/gm;
/** Types of extensions by which pkijs parses values when they are read. Sealpost reads these itself. */
const EXTENSION_TYPE = /^\t+ExtensionValueFactory\.register\(\w+, "\w+", \w+\);\n/gm;
/** Methods that only describe a value. */
const DESCRIPTION = /^(\t+)(?:toJSON|onAsciiEncoding)\([^\n]*\) \{\n[\s\S]*?^\1\}\n/gm;
/** Notes about unusual encodings, which neither pkijs nor Sealpost reads. Errors stay. */
const WARNING = /^\t+(?:if \(.*\) |else )?\w+\.warnings\.(?:push|concat)\(.*\);\n/gm;

/** Tells asn1js about its shorter ways to the same result. */
const REGISTRATION = /^register(?:BuiltinEncoder|FastParser)\(\{[\s\S]*?^\}\);$/gm;
/** Original methods, by which the shortcuts find out whether they apply. */
const ORIGINAL = /^const (?:ORIGINAL_(?!LOCAL_INTEGER_TO_STRING)|original|intrinsic)\w+ = .*;$/gm;
/** Types that no certificate has. They are read as those that asn1js does not know. */
const UNUSED_TYPE =
  /^var (LocalRelative\w+|RelativeObjectIdentifier|DATE|TimeOfDay|DateTime|Duration|TIME) = class [\s\S]*?^\};$/gm;
/** Names of types, but for the three that asn1js asks for. */
const TYPE_NAME =
  /^\tstatic \{\n\t\tthis\.NAME = "(?!(?:EndOfContent|OCTET STRING|BIT STRING)")[^"]*";\n\t\}\n/gm;

/** Leaves the parts of pkijs and asn1js that read certificates and keys, and write keys and signatures. */
export const shedAsn1 = () =>
  changePackages("shed ASN.1", {
    "pkijs/build/index.js": (text) => {
      const lean = withoutParts(withoutAll(text, [ENGINE, EXTENSION_ID, EXTENSION_TYPE, DESCRIPTION]), PKIJS);
      return lean.replace(CLASS, "var $1 = /* @__PURE__ */ (() => $2)();");
    },
    "asn1js/build/index.js": (text) => {
      const lean = withoutAll(text, [REGISTRATION, ORIGINAL, DESCRIPTION, TYPE_NAME, WARNING]);
      return withoutParts(without(lean, UNUSED_TYPE, "var $1 = null;"), ASN1JS);
    },
  });

const withoutAll = (text: string, parts: readonly RegExp[]) =>
  parts.reduce((rest, part) => without(rest, part), text);

/** @throws {Error} if the package has no such part, as after an update. */
function without(text: string, part: RegExp, by = ""): string {
  const lean = text.replace(part, by);
  if (lean === text) throw new Error(`Nothing to leave out: ${part}`);
  return lean;
}
