/** The decrypted key of a definition, as its encrypted column has it. */
interface StoredSigningKey {
  /** PKCS#8 DER. `null` if there is no key, or it could not be decrypted when it was saved. */
  readonly pkcs8: Uint8Array<ArrayBuffer> | null;
  /** Address of the sender that the key was given with. `null` if there was none, or an older version saved it. */
  readonly sender: string | null;
}

export function encodeSigningKey({ pkcs8, sender }: StoredSigningKey): string {
  const base64 = pkcs8?.toBase64() ?? "";
  return sender === null ? base64 : `${base64} ${sender}`;
}

export function decodeSigningKey(text: string): StoredSigningKey {
  const [base64 = ""] = text.split(" ", 1);
  const sender = text.slice(base64.length + 1);
  return {
    pkcs8: base64 === "" ? null : Uint8Array.fromBase64(base64),
    sender: sender === "" ? null : sender,
  };
}
