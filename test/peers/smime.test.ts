import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { SignatureAlgorithm } from "../../src/smime/algorithms.ts";
import { testInstance } from "../fixtures/instance.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import { recipient } from "../fixtures/smime/recipient.ts";
import { splitSigned } from "../fixtures/smime/verify.ts";
import { buildBouncyCastle, buildGo, obstacleOf, type SmimeReader } from "./smime/programs.ts";

/** `bun run proof:smime` asks for it: the libraries are fetched and compiled. */
const IS_WANTED = process.env.SMIME_READERS === "1";
const TEST_MS = 300_000;
setDefaultTimeout(TEST_MS);

const [ANNA, CODE] = ["anna@example.net", "271828"];
const MESSAGE = { to: ANNA, subject: `Your code is ${CODE}`, text: `Your code is ${CODE}.\n` };

/** Signatures by their names here. `smime_pss` makes a key of RSA sign by RSASSA-PSS. */
const SIGNATURES = {
  rsa: { algorithm: "rsa", fields: {} },
  "RSASSA-PSS by an RSA key": { algorithm: "rsa", fields: { smime_pss: true } },
  "RSASSA-PSS by a key of RSASSA-PSS": { algorithm: "pss256", fields: {} },
  p256: { algorithm: "p256", fields: {} },
  p384: { algorithm: "p384", fields: {} },
  p521: { algorithm: "p521", fields: {} },
  ed25519: { algorithm: "ed25519", fields: {} },
} as const satisfies Readonly<
  Record<string, { readonly algorithm: SignatureAlgorithm; readonly fields: object }>
>;
type SignatureName = keyof typeof SIGNATURES;

interface Program {
  readonly needs: readonly string[];
  build(): SmimeReader & Disposable;
  readonly signatures: readonly SignatureName[];
  readonly recipients: readonly ("rsa" | "p256" | "p384" | "p521")[];
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  BouncyCastle: {
    needs: ["java", "javac", "mvn", "openssl"],
    build: buildBouncyCastle,
    signatures: Object.keys(SIGNATURES) as SignatureName[],
    recipients: ["rsa", "p256", "p384", "p521"],
  },
  // It knows neither RSASSA-PSS nor Ed25519 in signatures, and no key agreement.
  "Go pkcs7": {
    needs: ["go", "openssl"],
    build: buildGo,
    signatures: ["rsa", "p256", "p384", "p521"],
    recipients: ["rsa"],
  },
};

/** Returns the bytes that a server gets for the message. */
async function sent(fields: object, certificates: Readonly<Record<string, string>>): Promise<Uint8Array> {
  await using instance = await testInstance();
  const json = { server: "mail.example.org", sender: SENDER, dont_send_on_error: true, ...fields };
  expect((await instance.request("POST", "/smtpserver/a", { json })).status).toBe(200);
  expect(await instance.services.submit("a", MESSAGE, { certificates })).toMatchObject({
    state: "delivered",
  });
  return instance.sent[0]?.bytes ?? new Uint8Array();
}

async function signing(name: SignatureName) {
  const { algorithm, fields } = SIGNATURES[name];
  const { key, certificate, intermediate } = await sender(algorithm);
  return { smime: true, private_key: key, certificate: certificate + intermediate.certificate, ...fields };
}

/** Returns the DER of an encrypted message. */
function derOf(message: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1").decode(message);
  return Uint8Array.fromBase64(text.slice(text.indexOf("\r\n\r\n")));
}

for (const [name, { needs, build, signatures, recipients }] of Object.entries(PROGRAMS)) {
  const obstacle = IS_WANTED ? obstacleOf(needs) : "bun run proof:smime runs it";
  if (IS_WANTED && obstacle !== null) console.warn(`Skipped: ${name}; ${obstacle}`);

  describe.skipIf(obstacle !== null)(name, () => {
    let built: ReturnType<typeof build> | null = null;
    const reader = () => (built ??= build());
    afterAll(() => built?.[Symbol.dispose]());

    test.each(signatures)("verifies a signature and its path to the root, %s", async (signature) => {
      const { content, signature: file } = splitSigned(await sent(await signing(signature), {}));
      const { root } = await sender("rsa");
      expect(await reader().verify(root.certificate, content, file)).toBe("CN=Test sender\n");
      const changed = content.replace(CODE, "271829");
      expect(changed).not.toBe(content);
      await expect(reader().verify(root.certificate, changed, file)).rejects.toThrow(/digest|signature/i);
      const { certificate } = await recipient("rsa", ANNA);
      await expect(reader().verify(certificate, content, file)).rejects.toThrow(/chain|path/i);
    });

    test.each(recipients)("decrypts a message with the key of its recipient alone, %s", async (kind) => {
      const anna = await recipient(kind, ANNA);
      const message = await sent({ smime_encrypt: true }, { [ANNA]: anna.certificate });
      expect(new TextDecoder("latin1").decode(message)).not.toContain(CODE);
      expect(await reader().decrypt(derOf(message), anna)).toContain(`Your code is ${CODE}.`);
      const other = await recipient(kind, "bert@example.net");
      await expect(reader().decrypt(derOf(message), other)).rejects.toThrow();
    });

    test.each(recipients)("decrypts and then verifies a message with both, %s", async (kind) => {
      const anna = await recipient(kind, ANNA);
      const fields = { ...(await signing("p256")), smime_encrypt: true };
      const message = await sent(fields, { [ANNA]: anna.certificate });
      const entity = await reader().decrypt(derOf(message), anna);
      const { content, signature } = splitSigned(new TextEncoder().encode(entity));
      const { root } = await sender("p256");
      expect(content).toContain(`Subject: Your code is ${CODE}`);
      expect(await reader().verify(root.certificate, content, signature)).toBe("CN=Test sender\n");
    });
  });
}
