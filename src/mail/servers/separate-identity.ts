import { CENSORED, Secret } from "../../domain/secret.ts";
import { invalidParameter } from "../../errors.ts";
import { IdentityError } from "../../smime/problem.ts";
import type { IdentityTexts } from "../../smime/separate.ts";

/** Key, passphrase and certificate as a client sends them. */
interface IdentityInput {
  readonly privateKey?: Secret | undefined;
  readonly privateKeyPassword?: Secret | undefined;
  readonly certificate: string | undefined;
}

interface TlsPair {
  readonly tlsPrivateKey?: Secret | undefined;
  readonly tlsCertificate?: string | null | undefined;
}

const PLAIN_KEY = /^-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\w+/=\r\n]+-----END \1-----\s*$/;
const PLAIN_CERTIFICATES = /^(?:-----BEGIN CERTIFICATE-----\r?\n[\w+/=\r\n]+-----END CERTIFICATE-----\s*)*$/;

/**
 * Puts key and certificates into the fields where they belong, if the client sent them in a PKCS#12 file or in one text.
 * Every other text stays as it is.
 * @param storedCertificate the one that a client sends back as it was shown
 * @throws {SealpostError} `invalid_parameter` for a PKCS#12 file that cannot be read, and for swapped fields
 */
export async function separateInput<T extends IdentityInput>(input: T, storedCertificate = ""): Promise<T> {
  const privateKey = textOf(input.privateKey);
  const given = input.certificate ?? "";
  if ((privateKey === "" || PLAIN_KEY.test(privateKey)) && PLAIN_CERTIFICATES.test(given)) return input;
  const certificate = privateKey !== "" && given === storedCertificate ? "" : given;
  const found = await separated({ privateKey, certificate }, textOf(input.privateKeyPassword));
  return {
    ...input,
    ...(found.privateKey !== privateKey && { privateKey: new Secret(found.privateKey) }),
    ...(found.certificate !== certificate && { certificate: found.certificate }),
  };
}

async function separated(texts: IdentityTexts, passphrase: string): Promise<IdentityTexts> {
  try {
    const { separateIdentity } = await import("../../smime/separate.ts");
    return await separateIdentity(texts, passphrase);
  } catch (error) {
    if (error instanceof IdentityError) throw invalidParameter(error.problem.parameter, error.problem.reason);
    throw error;
  }
}

/**
 * Writes the client's key and certificates as PEM that TLS reads, whose readers are strict. A text that cannot be read stays
 * as it is, for the check to reject it.
 */
export async function rewriteTlsPair<T extends TlsPair>(input: T): Promise<T> {
  const given = { privateKey: textOf(input.tlsPrivateKey), certificate: input.tlsCertificate ?? "" };
  if (given.privateKey === "" && given.certificate === "") return input;
  const { rewritePair } = await import("../../smime/separate.ts");
  const { privateKey, certificate } = await rewritePair(given);
  return {
    ...input,
    ...(privateKey !== given.privateKey && { tlsPrivateKey: new Secret(privateKey) }),
    ...(certificate !== given.certificate && { tlsCertificate: certificate }),
  };
}

/** A stored secret that stays belongs to another text. */
function textOf(secret: Secret | undefined): string {
  const text = secret?.reveal() ?? "";
  return text === CENSORED ? "" : text;
}
