import { readPrivateKey } from "../../smime/keys.ts";
import { readCertificate } from "../../smime/pem.ts";
import { asRsaEncryption } from "../../smime/rsa-pss.ts";

/** Reads the key and the certificate of an OAuth client as their check at a save does. */
export const CLIENT_PAIR = {
  async readClientKey(pem: string) {
    const key = await readPrivateKey(pem, "");
    return { ...key, pkcs8: asRsaEncryption(key.pkcs8) };
  },
  readCertificate,
} as const;
