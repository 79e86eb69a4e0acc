/** Without what is taken for another: 0 O, 1 I L. */
const ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";
const CHARACTERS = 10;
const GROUP = 5;

/** Ten characters, 49 bits: of use to nobody who has five tries. */
export function newCode(randomText: (length: number, alphabet: string) => string): string {
  const text = randomText(CHARACTERS, ALPHABET);
  return `${text.slice(0, GROUP)}-${text.slice(GROUP)}`;
}

/** What is hashed of a code: letter case, spaces and hyphens do not count. */
export function codeText(id: string, code: string): string {
  return `code ${id} ${code.toUpperCase().replaceAll(/[\s-]/g, "")}`;
}
