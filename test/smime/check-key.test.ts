import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  child,
  children,
  concat,
  type Der,
  objectIdentifier,
  octetsOf,
  rawOf,
  readDer,
  sequence,
  smallInteger,
  TAG,
  tlv,
  unsignedInteger,
} from "../../src/smime/der.ts";
import { importSigningKey, readPrivateKey } from "../../src/smime/keys.ts";
import { readPem, writePem } from "../../src/smime/pem.ts";
import { IdentityError } from "../../src/smime/problem.ts";
import { fileText } from "../fixtures/smime/files.ts";

const derOf = (name: string) => readPem(fileText(name))[0]?.der ?? new Uint8Array();
const RSA = derOf("leaf.key");
const P256 = derOf("p256-v2.key");
const ED25519 = derOf("ed25519-v2.key");

/** Returns why a `PrivateKeyInfo` is rejected; empty if it is read and signs. */
async function rejection(info: Der): Promise<string> {
  try {
    const key = await readPrivateKey(writePem("PRIVATE KEY", info), "");
    await importSigningKey(key);
    return "";
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    expect(error.problem).toMatchObject({ parameter: "private_key", code: "sign_no_key", kind: "form" });
    return error.problem.reason;
  }
}

const partsOf = (der: Der) => children(readDer(der)).map(rawOf);
const keyOf = (info: Der) => octetsOf(child(readDer(info), 2));
const algorithmOf = (info: Der) => rawOf(child(readDer(info), 1));

/** Returns the key with other contents, and with further members of version 2. */
function rebuilt(info: Der, key: Der, ...further: readonly Der[]): Der {
  const version = smallInteger(further.length > 0 ? 1 : 0);
  return sequence(version, algorithmOf(info), tlv(TAG.OCTET_STRING, key), ...further);
}

/** Returns an RSA key in which one of its nine numbers is changed. */
function withNumber(index: number, change: (value: bigint) => bigint): Der {
  const parts = partsOf(keyOf(RSA));
  const value = BigInt(`0x${octetsHex(parts[index]!)}`);
  const hex = change(value).toString(16);
  parts[index] = unsignedInteger(Uint8Array.fromHex(hex.padStart(hex.length + (hex.length % 2), "0")));
  return rebuilt(RSA, sequence(...parts));
}
const octetsHex = (integer: Der) =>
  integer.subarray(integer[1]! < 0x80 ? 2 : 2 + (integer[1]! & 0x7f)).toHex();

const publicKey = (octets: Der) => tlv(0x81, Uint8Array.of(0), octets);
const attributes = tlv(TAG.CONTEXT_0, sequence(objectIdentifier("1.2.3"), tlv(TAG.SET)));

describe("a sound key signs:", () => {
  const SOUND: Readonly<Record<string, () => Der>> = {
    "RSA of version 1": () => RSA,
    "RSA with attributes": () => rebuilt(RSA, keyOf(RSA), attributes),
    "RSA of version 2": () => {
      const [, n, e] = partsOf(keyOf(RSA));
      return rebuilt(RSA, keyOf(RSA), publicKey(sequence(n!, e!)));
    },
    "RSA without parameters of its algorithm": () => {
      const rsa = sequence(objectIdentifier("1.2.840.113549.1.1.1"));
      return sequence(smallInteger(0), rsa, tlv(TAG.OCTET_STRING, keyOf(RSA)));
    },
    "EC of version 2": () => P256,
    "EC without its public key": () => rebuilt(P256, sequence(...partsOf(keyOf(P256)).slice(0, 2))),
    "EC with attributes": () => rebuilt(P256, keyOf(P256), attributes),
    "EC with a number that lost its zeros": () =>
      rebuilt(P256, sequence(smallInteger(1), tlv(TAG.OCTET_STRING, Uint8Array.of(5)))),
    "Ed25519 of version 2": () => ED25519,
    "Ed25519 of version 1": () => rebuilt(ED25519, keyOf(ED25519)),
  };
  for (const [name, make] of Object.entries(SOUND)) {
    test(name, async () => expect(await rejection(make())).toBe(""));
  }
});

describe("a key that cannot sign is rejected:", () => {
  const NAMES = [
    "",
    "modulus",
    "public exponent",
    "private exponent",
    "prime",
    "prime",
    "exponent",
    "exponent",
  ];
  for (const index of [1, 2, 3, 4, 5, 6, 7, 8]) {
    test(`RSA with another ${NAMES[index] ?? "coefficient"} (${index})`, async () => {
      for (const change of [
        (v: bigint) => v + 2n,
        (v: bigint) => v - 1n,
        () => 0n,
        () => 1n,
        (v: bigint) => v << 8n,
      ])
        expect(await rejection(withNumber(index, change))).toMatch(/damaged/);
    });
  }

  const number = (octets: Der) => sequence(smallInteger(1), tlv(TAG.OCTET_STRING, octets));
  const ORDER = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const DAMAGED: Readonly<Record<string, () => Der>> = {
    "EC of zero": () => rebuilt(P256, number(new Uint8Array(32))),
    "EC of the order of its curve": () => rebuilt(P256, number(Uint8Array.fromHex(ORDER))),
    "EC of too many octets": () => rebuilt(P256, number(new Uint8Array(40).fill(1))),
    "EC of no octets": () => rebuilt(P256, number(new Uint8Array())),
    "Ed25519 of 31 octets": () => rebuilt(ED25519, tlv(TAG.OCTET_STRING, new Uint8Array(31))),
    "RSA that is empty": () => rebuilt(RSA, sequence()),
    "RSA with octets behind it": () => rebuilt(RSA, concat([keyOf(RSA), new Uint8Array(1)])),
    "an EC key as RSA": () => rebuilt(RSA, keyOf(P256)),
    "an RSA key as EC": () => rebuilt(P256, keyOf(RSA)),
  };
  for (const [name, make] of Object.entries(DAMAGED)) {
    test(name, async () => expect(await rejection(make())).toMatch(/damaged/));
  }

  const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;
  const exported = async ({ publicKey: key }: CryptoKeyPair) =>
    new Uint8Array(await crypto.subtle.exportKey("raw", key));
  test("with the public key of another key", async () => {
    const point = await exported(await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]));
    const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
    const bits = tlv(TAG.CONTEXT_1, tlv(TAG.BIT_STRING, Uint8Array.of(0), point));
    const parts = partsOf(keyOf(P256)).slice(0, 2);
    const other = partsOf(keyOf(RSA))[3]!;
    for (const info of [
      rebuilt(P256, sequence(...parts), publicKey(point)),
      rebuilt(P256, sequence(...parts, bits)),
      rebuilt(ED25519, keyOf(ED25519), publicKey(await exported(pair))),
      rebuilt(RSA, keyOf(RSA), publicKey(sequence(other, smallInteger(3)))),
    ]) {
      expect(await rejection(info)).toMatch(/public key of another private key/);
    }
  });

  test("RSA with three primes, by this name", async () => {
    expect(await rejection(derOf("rsa-three-primes.key"))).toMatch(/more than two primes/);
  });

  test("RSA that is too short, by its bits", async () => {
    const { privateKey } = (await crypto.subtle.generateKey(
      {
        name: "RSASSA-PKCS1-v1_5",
        hash: "SHA-256",
        modulusLength: 1024,
        publicExponent: Uint8Array.of(1, 0, 1),
      },
      true,
      ["sign", "verify"],
    )) as CryptoKeyPair;
    const short = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
    expect(await rejection(short)).toMatch(/RSA of 1024 bits; 2048 to 8192/);
  });
});

test("a key with changed octets is rejected or signs, and gives no other error", async () => {
  for (const info of [RSA, P256, ED25519]) {
    const index = fc.integer({ min: 0, max: info.length - 1 });
    await fc.assert(
      fc.asyncProperty(index, fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = info.slice();
        damaged[at]! ^= change;
        await rejection(damaged);
        await rejection(info.slice(0, at));
      }),
      { numRuns: 150 },
    );
  }
});
