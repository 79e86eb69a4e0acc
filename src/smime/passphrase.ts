import { concat, type Der } from "./der.ts";

/** A passphrase as the bytes from which programs derive keys. */
export interface Passphrase {
  /** For PBES1, PBES2 and legacy PEM. */
  readonly bytes: Der;
  /** A BMPString with its terminator, for the key derivation of PKCS#12 (RFC 7292 B.1). */
  readonly bmp: Der;
}

const ASCII = /^[\0-\x7f]*$/;
const LATIN_1 = /^[\0-\xff]*$/;
const NOTHING = new Uint8Array();

/** Returns the encodings in which programs write a passphrase, the usual one first. */
export function encodingsOf(passphrase: string): readonly Passphrase[] {
  const bytes = new TextEncoder().encode(passphrase);
  const usual = { bytes, bmp: terminated(bigEndian(passphrase)) };
  // Some programs derive the keys of an empty passphrase from no bytes at all.
  if (passphrase === "") return [usual, { bytes: NOTHING, bmp: NOTHING }];
  if (ASCII.test(passphrase)) return [usual];
  // OpenSSL before 1.1 took each byte for a character.
  const bytewise = { bytes, bmp: terminated(bigEndian(String.fromCharCode(...bytes))) };
  if (!LATIN_1.test(passphrase)) return [usual, bytewise];
  const latin1 = Uint8Array.from(passphrase, (character) => character.charCodeAt(0));
  return [usual, bytewise, { bytes: latin1, bmp: usual.bmp }];
}

function bigEndian(text: string): Der {
  return Uint8Array.from({ length: 2 * text.length }, (_, index) => {
    const unit = text.charCodeAt(index >> 1);
    return index % 2 === 0 ? unit >> 8 : unit & 0xff;
  });
}

function terminated(bytes: Der): Der {
  return concat([bytes, new Uint8Array(2)]);
}
