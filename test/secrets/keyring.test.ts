import { describe, expect, test } from "bun:test";
import { SealpostError } from "../../src/errors.ts";
import { generateKey, parseKeyring } from "../../src/secrets/keyring.ts";

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const fresh = (id: string) => generateKey(id, { randomBytes });

function refusal(text: string): SealpostError {
  try {
    parseKeyring(text);
  } catch (error) {
    if (error instanceof SealpostError) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

describe("parseKeyring()", () => {
  test("keeps the order: the first key encrypts, all are known", () => {
    const keyring = parseKeyring(`${fresh("new")}, ${fresh("old_2-x")}`);
    expect(keyring.ids).toEqual(["new", "old_2-x"]);
    expect(keyring.sealingId).toBe("new");
  });

  const key = fresh("a").slice(2);
  const bad: readonly (readonly [what: string, text: string, named: string])[] = [
    ["an empty text", "", "entry 1"],
    ["a key without an id", key, "entry 1"],
    ["an empty id", `:${key}`, "entry 1"],
    ["an id with a dot", `a.b:${key}`, "entry 1"],
    ["an id of 33 characters", `${"a".repeat(33)}:${key}`, "entry 1"],
    ["a trailing comma", `a:${key},`, "entry 2"],
    ["two colons", `a:b:${key}`, "entry 1"],
    ["a repeated id", `a:${key},b:${key},a:${key}`, '"a"'],
    ["31 bytes", `short:${randomBytes(31).toBase64()}`, '"short"'],
    ["33 bytes", `long:${randomBytes(33).toBase64()}`, '"long"'],
    ["invalid base64", `odd:${"?".repeat(44)}`, '"odd"'],
  ];
  test.each(bad)("rejects %s and names it", (_what, text, named) => {
    const error = refusal(text);
    expect(error.code).toBe("bad_setting");
    expect(error.message).toStartWith("SEALPOST_KEYS: ");
    expect(error.message).toContain(named);
  });

  test("takes the text of a key file, which has a key a line", () => {
    const text = `${fresh("new")}\r\n\n${fresh("old")}\n`;
    expect(parseKeyring(text).ids).toEqual(["new", "old"]);
  });

  test("never repeats key material in an error", () => {
    for (const text of [key, `:${key}`, `${key}:x`, `a:${key},a:${key}`, `a:${key}AAAA`]) {
      const error = refusal(text);
      expect(error.message).not.toContain(key.slice(0, 8));
      expect(error.cause).toBeUndefined();
    }
  });
});

describe("Keyring", () => {
  test("key() returns the same key each time, without its bytes", async () => {
    const keyring = parseKeyring(fresh("a"));
    const key = await keyring.key("a");
    expect(await keyring.key("a")).toBe(key);
    expect(key.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("raw", key)).rejects.toThrow();
  });

  test("key() and decipher() name an unknown ID", async () => {
    const keyring = parseKeyring(fresh("a"));
    for (const used of [keyring.key("gone"), keyring.decipher("gone", randomBytes(12))]) {
      const error = await used.catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "unsealable", message: 'SEALPOST_KEYS has no key "gone"' });
    }
  });

  test("decipher() decrypts what key() encrypted", async () => {
    const keyring = parseKeyring(fresh("a"));
    const iv = randomBytes(12);
    const text = randomBytes(100);
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await keyring.key("a"), text);
    const decipher = await keyring.decipher("a", iv);
    decipher.setAuthTag(new Uint8Array(sealed, text.length));
    const opened = decipher.update(new Uint8Array(sealed, 0, text.length));
    expect(decipher.final()).toHaveLength(0);
    expect(Uint8Array.from(opened)).toEqual(text);
  });
});

test("generateKey() returns an entry for parseKeyring() and rejects an invalid ID", () => {
  expect(parseKeyring(fresh("k-1")).ids).toEqual(["k-1"]);
  expect(() => generateKey("k 1", { randomBytes })).toThrow(TypeError);
});
