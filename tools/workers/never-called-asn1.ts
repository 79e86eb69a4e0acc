import { members, twice, type UnusedCode } from "./unused-code.ts";
import type { UnusedPart } from "./without-parts.ts";

/** Sealpost reads certificates and keys, writes its few structures itself, and compares names by their bytes. */
export const PKIJS: readonly UnusedPart[] = [
  ...members("Certificate", "encodeTBS sign verify toSchema getKeyHash getPublicKey"),
  twice("Certificate.tbs"),
  ...members("PublicKeyInfo", "fromJSON importKey toSchema"),
  twice("PublicKeyInfo.parsedKey"),
  ...members("AttributeTypeAndValue", "isEqual toSchema"),
  ...members("RelativeDistinguishedNames", "isEqual toSchema compareWithDefault"),
  ...members("AlgorithmIdentifier", "isEqual toSchema compareWithDefault"),
  "PkiObject.toString()",
  ...members("PkiObject", "blockName schema defaultValues"),
  // Classes ask for values of their own members.
  { part: "default of memberName", count: 175 },
  "Extension.toSchema",
  twice("Extension.parsedValue"),
  ...members("Extensions", "toSchema fromSchema defaultValues"),
  "Time.toSchema",
  // Objects are created from what is read alone. Sealpost reads these values itself, or not at all.
  ...[
    "PARAMS in asn1.result",
    "TBS_CERTIFICATE_VERSION in asn1.result",
    "ALGORITHM_PARAMS in parameters",
    "EXTENSIONS$6 in parameters",
    "ISSUER_UNIQUE_ID$2 in parameters",
    "SUBJECT_UNIQUE_ID in parameters",
    "EXTN_VALUE in parameters",
    "PARSED_VALUE$5 in parameters",
    "TBS_CERTIFICATE_ISSUER_UNIQUE_ID in asn1.result",
    "TBS_CERTIFICATE_SUBJECT_UNIQUE_ID in asn1.result",
  ].map((condition) => `void if (${condition})`),
  { part: "void if (parameters.json)", count: 7 },
];

/** As {@link PKIJS}, and without the shorter ways to the same result, for many or large values. */
export const ASN1JS: readonly UnusedPart[] = [
  // asn1js passes bytes, from where it is.
  "if (!(inputBuffer instanceof Uint8Array))",
  "if (inputOffset < 0)",
  // They only throw.
  ...members("ValueBlock", "fromBER() toBER()"),
  "void tryFastFromBER()",
  "void shouldUseBuiltinEncoder()",
  "tryEncodeBuiltin()",
  ...members("GeneralizedTime", "toString() fromDate()"),
  ...members("UTCTime", "toString() fromDate() toBuffer() checkYear()"),
  "if (valueDate)",
  // Schemas of pkijs, which are complete and have short tags.
  ...[
    "root instanceof Object === false",
    '"idBlock" in inputSchema === false',
    '"fromBER" in inputSchema.idBlock === false',
    '"toBER" in inputSchema.idBlock === false',
    "encodedId.byteLength === 0",
    "inputSchema.idBlock.fromBER(encodedId, 0, encodedId.byteLength) === -1",
    'inputSchema.idBlock.hasOwnProperty("tagClass") === false',
    'inputSchema.idBlock.hasOwnProperty("tagNumber") === false',
    'inputSchema.idBlock.hasOwnProperty("isConstructed") === false',
    '!("isHexOnly" in inputSchema.idBlock)',
  ].map((condition) => `void if (${condition})`),
  twice("void if (inputSchema instanceof Object === false)"),
  "if (inputSchema.idBlock.isHexOnly)",
  "void if (primitiveSchema)",
  'if (inputSchema.primitiveSchema && "valueHexView" in inputData.valueBlock)',
  // Relative object identifiers, and times in words, which no certificate has.
  ...[13, 14, 31, 32, 33, 34].map((tag) => `case ${tag} of returnObject.idBlock.tagNumber`),
  ...["BaseStringBlock", "Boolean", "ObjectIdentifier"].map((name) => `${name}.setValue`),
  ...members("Integer", "convertFromDER convertToDER fromBigInt"),
  ...members("LocalIntegerValueBlock", "fromDER() toDER() toBER()"),
  ...members("BaseBlock", "isEqual() toString()"),
  ...members("RawData", "fromBER() toBER()"),
  "LocalUtf8StringValueBlock.fromString()",
  "LocalBmpStringValueBlock.fromString()",
  "LocalUniversalStringValueBlock.fromString()",
  "LocalSimpleStringBlock.fromString()",
  "LocalObjectIdentifierValueBlock.fromString()",
  "LocalSidValueBlock.valueBigInt",
  "LocalBitStringValueBlock.toBER()",
  "LocalBooleanValueBlock.toBER()",
  "LocalConstructedValueBlock.toBER()",
  "LocalOctetStringValueBlock.toBER()",
  "LocalEndOfContentValueBlock.toBER()",
  "Null.toBER()",
  // Values that are written are those of a name in a certificate, without parts.
  "void prepareIndefiniteForm()",
  "if (this.lenBlock.isIndefiniteForm)",
];

/** asn1js and pkijs pass bytes and integers of a few bytes, treat every error alike, and read texts. */
export const PECULIAR: UnusedCode = {
  "@peculiar/utils/build/bytes/buffer-source.js": ["if (!isBufferSource(value))"],
  "@peculiar/utils/build/encoding/utf16.js": ["encode()"],
  "@peculiar/utils/build/encoding/binary.js": ["decode()", "is()"],
  "@peculiar/utils/build/integer/uint.js": [
    "if (!Number.isInteger(bitsPerByte) || bitsPerByte < 1 || bitsPerByte > 8)",
    "if (!Number.isInteger(length) || length < 0)",
    "if (digits.length > length)",
    "if (value < 0n)",
    "if (!Number.isSafeInteger(value) || value < 0)",
    twice("if (digit >= radix)"),
  ],
  "@peculiar/utils/build/integer/int.js": [
    "isMinimal()",
    "if (!Number.isSafeInteger(value))",
    "if (!Number.isInteger(length) || length < 1)",
    "if (size > length)",
    "if (!bytes.byteLength)",
    "if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))",
  ],
};
