/**
 * Characters of an alphabet, each as likely as the others: bytes that would favour the first ones are thrown away.
 * @param alphabet 2 to 256 characters of one UTF-16 unit each.
 */
export function randomText(
  length: number,
  alphabet: string,
  randomBytes: (length: number) => Uint8Array,
): string {
  if (alphabet.length < 2 || alphabet.length > 256)
    throw new TypeError("An alphabet has 2 to 256 characters");
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < fair && text.length < length) text += alphabet.charAt(byte % alphabet.length);
    }
  }
  return text;
}
