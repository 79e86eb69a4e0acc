import { makeTlsMaterial, type TlsMaterial } from "../fixtures/smtp/tls.ts";

let material: TlsMaterial | null = null;

/** Keys and certificates of mail servers, the same for the whole run. */
export function tlsMaterial(): TlsMaterial {
  material ??= makeTlsMaterial();
  return material;
}
