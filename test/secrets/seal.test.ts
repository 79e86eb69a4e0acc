import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Secret } from "../../src/domain/secret.ts";
import { generateKey, parseKeyring } from "../../src/secrets/keyring.ts";
import { keyIdOf, open, type SealContext, seal } from "../../src/secrets/seal.ts";

const platform = { randomBytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
const oldKey = generateKey("old", platform);
const newKey = generateKey("new", platform);
const keyring = parseKeyring(oldKey);
const place: SealContext = { table: "smtp_server", row: "6f1c", column: "password" };

const wellFormed = fc.string({ unit: "binary", minLength: 1 });
const context = fc.record({
  table: fc.string({ unit: "binary" }),
  row: fc.string({ unit: "binary" }),
  column: fc.string({ unit: "binary" }),
});
const codeOf = (reason: unknown) =>
  reason instanceof Error && "code" in reason ? reason.code : `not an error with a code: ${reason}`;
const refused = (sealed: string, where: SealContext, ring = keyring) =>
  open(ring, sealed, where).then(() => "opened", codeOf);

describe("seal() and open()", () => {
  test("return any text for the place it was sealed for", async () => {
    await fc.assert(
      fc.asyncProperty(wellFormed, context, async (text, where) => {
        const sealed = await seal(keyring, text, where, platform);
        expect((await open(keyring, sealed, where)).reveal()).toBe(text);
      }),
    );
  });

  test("return it for callers that use a key for the first time at the same moment", async () => {
    const values = await Promise.all(
      [1, 2, 3].map(async (number) => seal(parseKeyring(newKey), `secret ${number}`, place, platform)),
    );
    const first = parseKeyring(newKey);
    const opened = await Promise.all(values.map((sealed) => open(first, sealed, place)));
    expect(opened.map((text) => text.reveal())).toEqual(["secret 1", "secret 2", "secret 3"]);
    // And by whichever import of the key is kept.
    expect((await open(first, await seal(first, "later", place, platform), place)).reveal()).toBe("later");
    expect((await open(first, values[0] ?? "", place)).reveal()).toBe("secret 1");
  });

  test("keep a leading byte order mark", async () => {
    const sealed = await seal(keyring, "\uFEFFx", place, platform);
    expect((await open(keyring, sealed, place)).reveal()).toBe("\uFEFFx");
  });

  test("reject any other place", async () => {
    const sealed = await seal(keyring, "secret", place, platform);
    await fc.assert(
      fc.asyncProperty(context, async (where) => {
        fc.pre(JSON.stringify(where) !== JSON.stringify(place));
        expect(await refused(sealed, where)).toBe("unsealable");
      }),
    );
  });

  test("keep the fields of a place apart", async () => {
    const sealed = await seal(keyring, "secret", { table: "a", row: "bc", column: "d" }, platform);
    expect(await refused(sealed, { table: "ab", row: "c", column: "d" })).toBe("unsealable");
    expect(await refused(sealed, { table: "a", row: "b", column: "cd" })).toBe("unsealable");
    expect(await refused(sealed, { table: 'a","bc', row: "d", column: "" })).toBe("unsealable");
  });

  test("reject a value with a changed, removed or added character", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
    for (const text of ["a", "ab", "abc"]) {
      const sealed = await seal(keyring, text, place, platform);
      for (let at = 0; at < sealed.length; at++) {
        const [before, after] = [sealed.slice(0, at), sealed.slice(at + 1)];
        const others = [...alphabet].filter((character) => character !== sealed[at]);
        const changed = ["", ...others].map((character) => before + character + after);
        const results = await Promise.all(changed.map((value) => refused(value, place)));
        expect(new Set(results)).toEqual(new Set(["unsealable"]));
      }
      expect(await refused(`${sealed}A`, place)).toBe("unsealable");
    }
  });

  test("reject blanks and padding, which a decoder of base64 may ignore", async () => {
    for (const text of ["a", "ab", "abc"]) {
      const sealed = await seal(keyring, text, place, platform);
      const ends = [" ", "\n", "=", "=="].map((end) => `${sealed}${end}`);
      const changed = [...ends, ` ${sealed}`, `${sealed.slice(0, -3)} ${sealed.slice(-3)}`];
      const results = await Promise.all(changed.map((value) => refused(value, place)));
      expect(new Set(results)).toEqual(new Set(["unsealable"]));
    }
  });

  test("keep an empty text empty, without a key", async () => {
    expect(await seal(keyring, "", place, platform)).toBe("");
    expect(await open(keyring, "", place)).toBe(Secret.EMPTY);
  });

  test("decrypt after a rotation while the old key is known", async () => {
    const rotated = parseKeyring(`${newKey},${oldKey}`);
    const before = await seal(keyring, "before", place, platform);
    const after = await seal(rotated, "after", place, platform);
    expect((await open(rotated, before, place)).reveal()).toBe("before");
    expect(keyIdOf(after)).toBe("new");
    const error = await open(keyring, after, place).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "unsealable" });
    expect(String(error)).toContain('"new"');
  });

  test("reject another key with the same ID", async () => {
    const sealed = await seal(keyring, "secret", place, platform);
    expect(await refused(sealed, place, parseKeyring(generateKey("old", platform)))).toBe("unsealable");
  });
});

describe("seal()", () => {
  test("uses 12 fresh random bytes as nonce each time", async () => {
    const asked: number[] = [];
    const randomBytes = (length: number) => {
      asked.push(length);
      return platform.randomBytes(length);
    };
    const [one, two] = [
      await seal(keyring, "same", place, { randomBytes }),
      await seal(keyring, "same", place, { randomBytes }),
    ];
    expect(asked).toEqual([12, 12]);
    expect(one).not.toBe(two);
    expect(one).toMatch(/^v1\.old\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$/);
  });

  test("rejects a lone surrogate, which would be read back as another text", async () => {
    await expect(seal(keyring, "a\uD800b", place, platform)).rejects.toThrow(TypeError);
  });
});

describe("open()", () => {
  test.each([
    "hunter2",
    "v1",
    "v1.old.x.y",
    "v2.old.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA",
    "v1.old..",
    " ",
  ])("never returns unsealed text: %p", async (text) => {
    expect(await refused(text, place)).toBe("unsealable");
  });

  test("names the column in its error, but not the row or the value", async () => {
    const sealed = await seal(keyring, "secret", place, platform);
    const error = await open(keyring, sealed, { ...place, row: "other-row" }).catch(String);
    expect(error).toContain("smtp_server.password");
    expect(error).not.toContain("other-row");
    expect(error).not.toContain(sealed.slice(10));
  });
});

test("keyIdOf() is null for an unsealed text", async () => {
  expect(keyIdOf(await seal(keyring, "x", place, platform))).toBe("old");
  expect(["", "old", "v1.old.short.x"].map(keyIdOf)).toEqual([null, null, null]);
});
