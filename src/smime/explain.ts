import { KEYSTORE_LABEL, PKCS7_LABELS } from "./label.ts";
import { readPem } from "./pem.ts";
import { certificateForm, type IdentityError, type IdentityProblem, keyForm } from "./problem.ts";

type Field = Exclude<IdentityProblem["parameter"], "private_key_password">;
/** The kind of a text, and the way from there to the kind that the field expects. */
interface Explanation {
  /** Completes "The text is". */
  readonly what: string;
  readonly wayOut: Readonly<Record<Field, string>>;
}

const WANTED: Readonly<Record<Field, string>> = { private_key: "private key", certificate: "certificate" };
const NEW_KEY =
  "create a key with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem";
const ASK_AUTHORITY = "use the certificate that the authority issued";

const same = (what: string, wayOut: string): Explanation => ({
  what,
  wayOut: { private_key: wayOut, certificate: wayOut },
});
const publicKey = (what: string): Explanation => ({
  what,
  wayOut: {
    private_key: "use the private key that it belongs to",
    certificate: `${ASK_AUTHORITY} for this key`,
  },
});
const request: Explanation = {
  what: "a certificate request",
  wayOut: {
    private_key: "use the key file that was created with the request",
    certificate: `${ASK_AUTHORITY} for it`,
  },
};
const pkcs7 = same(
  "PKCS#7 without certificates",
  "use the key and the certificate of the sender, or a PKCS#12 file (.p12, .pfx)",
);
const pgp: Explanation = {
  what: "for OpenPGP",
  wayOut: {
    private_key: `S/MIME needs a key with a certificate, so ${NEW_KEY}`,
    certificate: "S/MIME needs an X.509 certificate from an authority",
  },
};
const parameters = same("only parameters of a key", "paste the whole file");
const certificate: Explanation = {
  what: "a certificate",
  wayOut: {
    private_key: "move it to certificate, and use the private key that it was issued for",
    certificate: "paste the whole PEM block again",
  },
};

/** Explanations by PEM label. Labels with another name stand in the messages as they are. */
const BY_LABEL: Readonly<Record<string, Explanation>> = {
  CERTIFICATE: certificate,
  "X509 CERTIFICATE": certificate,
  "TRUSTED CERTIFICATE": {
    what: "a certificate in OpenSSL's own format",
    wayOut: {
      private_key: certificate.wayOut.private_key,
      certificate: "convert it with: openssl x509 -in cert.pem -out cert2.pem",
    },
  },
  "PUBLIC KEY": publicKey("a public key"),
  "RSA PUBLIC KEY": publicKey("a public key"),
  "SSH2 PUBLIC KEY": publicKey("an SSH public key"),
  "CERTIFICATE REQUEST": request,
  "NEW CERTIFICATE REQUEST": request,
  "X509 CRL": same("a revocation list (CRL)", "use the key and the certificate of the sender"),
  ...Object.fromEntries(PKCS7_LABELS.map((label) => [label, pkcs7])),
  PKCS12: same("a PKCS#12 file", "this field takes PEM text, so export the file as PEM"),
  [KEYSTORE_LABEL]: same(
    "a Java keystore",
    "convert it with: keytool -importkeystore -srckeystore keys.jks -destkeystore keys.p12 -deststoretype PKCS12",
  ),
  "EC PARAMETERS": parameters,
  "DH PARAMETERS": parameters,
  "DSA PARAMETERS": parameters,
  "PGP PUBLIC KEY BLOCK": pgp,
  "PGP PRIVATE KEY BLOCK": pgp,
  "PGP MESSAGE": pgp,
};

const PATH =
  /^["']?(?:@|file:|~[\\/]|\.{0,2}\/|\.{1,2}\\|[A-Za-z]:[\\/]|\\\\)[^\n]{1,1000}$|^[^\n]{1,255}\.(?:pem|key|crt|cer|der|p12|pfx|p7b|p7c|jks|txt|pub)["']?$/i;

/** Explanations of texts without a PEM block; the first that matches. */
const BY_TEXT: readonly (readonly [RegExp, Explanation])[] = [
  [/^(?:ssh-|ecdsa-sha2-|sk-)\S+ AAAA/, publicKey("an OpenSSH public key")],
  [
    /^PuTTY-User-Key-File-/,
    same("a PuTTY key", "export it in PuTTYgen as an OpenSSH key, then: ssh-keygen -p -m PKCS8 -f key"),
  ],
  [/^https?:\/\//i, same("a URL", "paste the content that it leads to")],
  [PATH, same("the path of a file", "paste the content of the file, or send the file in a multipart form")],
  [/^\{/, same("JSON", "convert the key to PEM text")],
  [/^<\?xml|^<RSAKeyValue/i, same("XML", "convert the key to PEM text")],
  [
    /-----END /,
    same("PEM text without its first line", "paste the whole block, from -----BEGIN to -----END"),
  ],
  [
    /^[A-Za-z0-9+/=_\s-]{200,}$/,
    same("base64 that is damaged, or cut off", "paste the whole block, from -----BEGIN to -----END"),
  ],
];

/** The error for a text that holds nothing of what the field expects. It says what the text is, and the way out. */
export function explain(text: string, field: Field): IdentityError {
  const trimmed = text.trim();
  const labels = readPem(trimmed).map(({ label }) => label);
  const [label] = labels.filter((one) => BY_LABEL[one] !== parameters).concat(labels);
  const known = label === undefined ? byText(trimmed) : (BY_LABEL[label] ?? pemOf(label));
  const error = field === "private_key" ? keyForm : certificateForm;
  if (known) return error(`The text is ${known.what}, not a ${WANTED[field]}: ${known.wayOut[field]}`);
  return error(
    `The text is neither PEM nor a PKCS#12 file: paste the content of the ${WANTED[field]} file, which starts with -----BEGIN`,
  );
}

function byText(text: string): Explanation | undefined {
  return BY_TEXT.find(([pattern]) => pattern.test(text))?.[1];
}

function pemOf(label: string): Explanation {
  return same(`PEM of another kind (${label})`, "use the key and the certificate of the sender");
}
