import { describe, expect, test } from "bun:test";
import { scryptSync } from "node:crypto";
import fc from "fast-check";
import { SealpostError } from "../../src/errors.ts";
import { DEFAULT_PASSWORD_COST, hashPassword, verifyPassword } from "../../src/secrets/password.ts";

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const cost = { ln: 4, r: 8, p: 1 };
const hash = (password: string) => hashPassword(password, { randomBytes, cost });
const verify = (password: string, phc: string | null) => verifyPassword(password, phc, { cost });

describe("hashPassword() and verifyPassword()", () => {
  test("accept the same password and no other", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), async (right, wrong) => {
        const phc = await hash(right);
        expect(await verify(right, phc)).toEqual({ ok: true, rehash: false });
        fc.pre(
          wrong.replaceAll(/\p{Zs}/gu, " ").normalize() !== right.replaceAll(/\p{Zs}/gu, " ").normalize(),
        );
        expect(await verify(wrong, phc)).toEqual({ ok: false, rehash: false });
      }),
    );
  });

  test("accept a password in another Unicode form", async () => {
    const phc = await hash("Zoe\u0308\u00A0\u212B");
    expect((await verify("Zo\u00EB \u00C5", phc)).ok).toBe(true);
    expect((await verify("zo\u00EB \u00C5", phc)).ok).toBe(false);
  });

  test("request a new hash if the password matches at another cost", async () => {
    const phc = await hash("right");
    const now = { cost: { ...cost, p: 2 } };
    expect(await verifyPassword("right", phc, now)).toEqual({ ok: true, rehash: true });
    expect(await verifyPassword("wrong", phc, now)).toEqual({ ok: false, rehash: false });
  });
});

describe("hashPassword()", () => {
  test("writes a PHC string at N=16384 r=8 p=5 that scrypt reproduces", async () => {
    const salt = new Uint8Array(16).fill(7);
    const phc = await hashPassword("correct horse", { randomBytes: (length) => salt.slice(0, length) });
    const expected = scryptSync("correct horse", salt, 32, { N: 16_384, r: 8, p: 5, maxmem: 2 ** 26 });
    const text = (bytes: Uint8Array) => bytes.toBase64({ omitPadding: true });
    expect(phc).toBe(`$scrypt$ln=14,r=8,p=5$${text(salt)}$${text(expected)}`);
    expect(DEFAULT_PASSWORD_COST).toEqual({ ln: 14, r: 8, p: 5 });
    expect(await verifyPassword("correct horse", phc)).toEqual({ ok: true, rehash: false });
  });

  test("rejects more than 1,024 bytes of UTF-8", async () => {
    expect((await verify("ä".repeat(512), await hash("ä".repeat(512)))).ok).toBe(true);
    const error = await hash("ä".repeat(513)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SealpostError);
    expect(error).toMatchObject({ code: "invalid_parameter", parameter: "password" });
  });
});

describe("verifyPassword()", () => {
  test("returns false for more than 1,024 bytes", async () => {
    expect((await verify("a".repeat(1_025), await hash("a"))).ok).toBe(false);
  });

  test("returns false for a stored hash that is damaged or too costly", async () => {
    const phc = await hash("right");
    const damaged = [
      "",
      "right",
      phc.slice(1),
      phc.slice(0, -1),
      `${phc}A`,
      `${phc}\n`,
      phc.replace("scrypt", "argon2id"),
      phc.replace("ln=4", "ln=0"),
      phc.replace("ln=4", "ln=31"),
      phc.replace("r=8", "r=0"),
      phc.replace("r=8", "r=-8"),
      phc.replace("p=1", "p=99"),
    ];
    for (const text of damaged) expect(await verify("right", text)).toEqual({ ok: false, rehash: false });
  });

  test("returns false without a user, even for the zeros of the decoy", async () => {
    expect(await verify("", null)).toEqual({ ok: false, rehash: false });
  });

  test("takes as long for an unknown name or a damaged hash as for a wrong password", async () => {
    const slow = { ln: 13, r: 8, p: 2 };
    const phc = await hashPassword("right", { randomBytes, cost: slow });
    const stored = [phc, null, "damaged"];
    const fastestMs = stored.map(() => Number.POSITIVE_INFINITY);
    const areLess = () => fastestMs.some((ms) => ms <= (fastestMs[0] ?? 0) / 2);
    // In turns and the fastest of each, because a busy machine only adds to a time, and more of them compare better.
    for (let run = 0; run < 5 || (run < 50 && areLess()); run++) {
      for (const [index, hash] of stored.entries()) {
        const begin = performance.now();
        await verifyPassword("wrong", hash, { cost: slow });
        fastestMs[index] = Math.min(fastestMs[index] ?? 0, performance.now() - begin);
      }
    }
    const [realMs = 0, ...others] = fastestMs;
    for (const ms of others) expect(ms).toBeGreaterThan(realMs / 2);
  });
});
