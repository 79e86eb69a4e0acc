import { describe, expect, test } from "bun:test";
import { hashPin, verifyPin } from "../../src/secrets/pin.ts";
import { realRandomBytes as randomBytes } from "../fixtures/instance.ts";

const macWith = (pepper: string) => async (text: string) =>
  new Bun.CryptoHasher("sha256", pepper).update(text).digest("base64url");
const mac = macWith("pepper");
const hash = (pin: string) => hashPin(pin, { mac, randomBytes });

describe("hashPin() and verifyPin()", () => {
  test.each(["1234", "", "a long pass phrase with blanks", "pässwörd", "x".repeat(1_024)])(
    "accept the same PIN and no other: %p",
    async (pin) => {
      const stored = await hash(pin);
      expect(stored).toMatch(/^\$pin\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9_-]{43}$/);
      expect(await verifyPin(pin, stored, mac)).toBe(true);
      expect(await verifyPin(`${pin}x`, stored, mac)).toBe(false);
      expect(await verifyPin(pin.slice(1) || "y", stored, mac)).toBe(false);
    },
  );

  test("accept other spaces and the composed form of a letter, as passwords do", async () => {
    const stored = await hash("ä\u00a0b");
    expect(await verifyPin("a\u0308 b", stored, mac)).toBe(true);
  });

  test("return different hashes of one PIN, which no other pepper verifies", async () => {
    const [one, other] = [await hash("1234"), await hash("1234")];
    expect(one).not.toBe(other);
    expect(await verifyPin("1234", one, macWith("another"))).toBe(false);
  });

  test("distinguish an empty PIN from zeros", async () => {
    expect(await verifyPin("\0".repeat(16), await hash(""), mac)).toBe(false);
  });

  test.each([
    null,
    "",
    "1234",
    "$pin$",
    `$pin$${"A".repeat(22)}$${"A".repeat(42)}`,
    "$scrypt$ln=1,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  ])("accept no PIN for %p", async (stored) => {
    expect(await verifyPin("1234", stored, mac)).toBe(false);
  });

  test("reject more than 1,024 bytes and name the parameter", async () => {
    const stored = await hash("1234");
    await expect(hash("ä".repeat(513))).rejects.toMatchObject({
      code: "invalid_parameter",
      parameter: "pin",
    });
    expect(await verifyPin("x".repeat(1_025), stored, mac)).toBe(false);
  });
});
