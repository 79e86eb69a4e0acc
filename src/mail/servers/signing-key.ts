import type { KeyAddresses } from "../../domain/smtp-server.ts";

/** The decrypted key of a definition, as its encrypted column has it. */
interface StoredSigningKey {
  /** PKCS#8 DER. `null` if there is no key, or it could not be decrypted when it was saved. */
  readonly pkcs8: Uint8Array<ArrayBuffer> | null;
  readonly givenFor: KeyAddresses;
}

/** Returns the key as base64, a blank, the sender, and each further address after a line break, if these are known. */
export function encodeSigningKey({ pkcs8, givenFor: { sender, named } }: StoredSigningKey): string {
  const base64 = pkcs8?.toBase64() ?? "";
  if (named === null) return sender === null ? base64 : `${base64} ${sender}`;
  return `${base64} ${[sender ?? "", ...named].join("\n")}\n`;
}

export function decodeSigningKey(text: string): StoredSigningKey {
  const [base64 = ""] = text.split(" ", 1);
  const [sender = "", ...named] = text.slice(base64.length + 1).split("\n");
  return {
    pkcs8: base64 === "" ? null : Uint8Array.fromBase64(base64),
    givenFor: {
      sender: sender === "" ? null : sender,
      named: named.length === 0 ? null : named.filter((address) => address !== ""),
    },
  };
}
