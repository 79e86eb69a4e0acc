import { describe, expect, test } from "bun:test";
import { START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { authorities, leaf, mailExtensions, SENDER, sender } from "../fixtures/smime/authority.ts";
import { convert, encrypt, PASSPHRASE, privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";

const SERVER = { server: "mail.example.org", sender: SENDER };
const CENSORED = "__CENSORED__";
const EXPIRED = { notBefore: "20200101000000Z", notAfter: "20260501000000Z" };

interface Given {
  readonly private_key?: string;
  readonly private_key_password?: string;
  readonly certificate?: string;
  readonly sender?: string;
}

const save = (instance: TestInstance, json: object) => instance.request("POST", "/smtpserver/a", { json });
const good = async (): Promise<Given> => {
  const { key, certificate, intermediate } = await sender("p256");
  return { private_key: key, certificate: certificate + intermediate.certificate };
};
const withLeaf = async (change: Partial<Parameters<typeof leaf>[0]>): Promise<Given> => {
  const key = await privateKey("p256");
  const { intermediate } = await authorities();
  return { private_key: key, certificate: (await leaf({ key, ...change })) + intermediate.certificate };
};

/** Well-formed identities that cannot sign: 905 if they are new and must sign, a warning otherwise. */
const PROBLEMS: Readonly<
  Record<string, { readonly given: () => Promise<Given>; readonly parameter: string }>
> = {
  "a wrong passphrase": {
    given: async () => ({
      ...(await good()),
      private_key: await encrypt((await good()).private_key ?? "", []),
      private_key_password: "wrong",
    }),
    parameter: "private_key_password",
  },
  "no passphrase": {
    given: async () => ({
      ...(await good()),
      private_key: await encrypt((await good()).private_key ?? "", []),
    }),
    parameter: "private_key_password",
  },
  "a key that does not match": {
    given: async () => ({ ...(await good()), private_key: await privateKey("p256", "stranger") }),
    parameter: "certificate",
  },
  "a certificate that has expired": { given: () => withLeaf(EXPIRED), parameter: "certificate" },
  "a certificate that is not valid yet": {
    given: () => withLeaf({ notBefore: "20270101000000Z" }),
    parameter: "certificate",
  },
  "a certificate for servers": {
    given: () => withLeaf({ extensions: mailExtensions("extendedKeyUsage", "serverAuth") }),
    parameter: "certificate",
  },
  "a CA certificate": {
    given: async () => {
      const { root } = await authorities();
      return { private_key: root.key, certificate: root.certificate };
    },
    parameter: "certificate",
  },
};

/** Texts that are not a key or certificate: always 905. */
const MALFORMED: Readonly<
  Record<string, { readonly given: () => Promise<Given>; readonly parameter: string }>
> = {
  "a key that is no PEM": {
    given: async () => ({ ...(await good()), private_key: "/etc/ssl/private/key.pem" }),
    parameter: "private_key",
  },
  "a certificate that is no PEM": {
    given: async () => ({ ...(await good()), certificate: "certificate" }),
    parameter: "certificate",
  },
  "a key alone that is no PEM": { given: async () => ({ private_key: "x" }), parameter: "private_key" },
  "a certificate alone that is no PEM": {
    given: async () => ({ certificate: "x" }),
    parameter: "certificate",
  },
  "a key as certificate": {
    given: async () => ({ ...(await good()), certificate: (await good()).private_key ?? "" }),
    parameter: "certificate",
  },
  "a key of an unsupported encryption": {
    given: async () => ({
      ...(await good()),
      private_key: await encrypt(await privateKey("rsa"), ["-v2", "camellia-256-cbc"], "secret"),
    }),
    parameter: "private_key",
  },
};

describe.skipIf(!isInstalled("openssl"))("saving an identity", () => {
  test("that can sign gives no warning", async () => {
    await using instance = await testInstance();
    const { status, detail } = await save(instance, { ...SERVER, ...(await good()), smime: true });
    expect([status, detail]).toEqual([200, undefined]);
  });

  test("decrypts an encrypted key once", async () => {
    await using instance = await testInstance();
    const { private_key = "", certificate } = await good();
    const given = {
      private_key: await encrypt(private_key, []),
      private_key_password: PASSPHRASE,
      certificate,
    };
    const { status, detail } = await save(instance, { ...SERVER, ...given, smime: true });
    expect([status, detail]).toEqual([200, undefined]);
    expect((await instance.services.servers.load("a"))?.signing).not.toBeNull();
  });

  test.each(Object.entries(PROBLEMS))(
    "with %s is 905 with smime, and a warning without",
    async (_, { given, parameter }) => {
      await using instance = await testInstance();
      const identity = await given();
      const rejected = await save(instance, { ...SERVER, ...identity, smime: true });
      expect([rejected.status, rejected.error?.code]).toEqual([400, 905]);
      expect(rejected.error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
      const { status, detail } = await save(instance, { ...SERVER, ...identity });
      expect(status).toBe(200);
      expect(detail?.warnings).toHaveLength(1);
      // Enabling signing is a change as well.
      expect((await save(instance, { ...SERVER, smime: true })).status).toBe(400);
    },
  );

  test.each(Object.entries(MALFORMED))("with %s is 905 always", async (_, { given, parameter }) => {
    await using instance = await testInstance();
    const identity = await given();
    for (const smime of [true, false]) {
      const { status, error } = await save(instance, { ...SERVER, ...identity, smime });
      expect([status, error?.code]).toEqual([400, 905]);
      if (!smime) expect(error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
    }
  });

  test("with an unsupported encryption names the command that converts it", async () => {
    await using instance = await testInstance();
    const identity = await MALFORMED["a key of an unsupported encryption"]?.given();
    expect((await save(instance, { ...SERVER, ...identity })).error?.message).toContain(
      "openssl pkcs8 -topk8 -v2 aes256",
    );
  });

  test.each([
    ["private_key", async () => ({ certificate: (await good()).certificate })],
    ["certificate", async () => ({ private_key: (await good()).private_key })],
    ["private_key", async () => ({})],
  ] as const)("to sign without %s is 905", async (parameter, given) => {
    await using instance = await testInstance();
    const { status, error } = await save(instance, { ...SERVER, ...(await given()), smime: true });
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
  });

  test("for another sender warns, and so does one under 30 days, and Ed25519", async () => {
    await using instance = await testInstance();
    const warningsOf = async (json: object) => {
      const { status, detail } = await save(instance, { ...SERVER, smime: true, ...json });
      return status === 200 ? detail?.warnings : status;
    };
    expect(await warningsOf({ ...(await good()), sender: "other@example.org" })).toEqual([
      expect.stringContaining("other@example.org"),
    ]);
    const soon = new Date(START.getTime() + 29 * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "");
    expect(await warningsOf(await withLeaf({ notAfter: soon }))).toEqual([
      expect.stringContaining("29 days"),
    ]);
    const { key, certificate, intermediate } = await sender("ed25519");
    const chain = certificate + intermediate.certificate;
    expect(await warningsOf({ private_key: key, certificate: chain })).toEqual([
      expect.stringContaining("Ed25519"),
    ]);
  });
});

describe.skipIf(!isInstalled("openssl"))("a definition's detail", () => {
  const shown = async (instance: TestInstance) =>
    (await instance.request("GET", "/smtpserver/a")).detail?.smime;

  test("has the certificate that signs, and its path to the root, as openssl shows them", async () => {
    await using instance = await testInstance();
    const { key, certificate, intermediate, root } = await sender("rsa");
    const chain = root.certificate + intermediate.certificate + certificate;
    await save(instance, { ...SERVER, private_key: key, certificate: chain, smime: true });
    const dates = { not_before: "2020-01-01T00:00:00.000Z", not_after: "2049-12-31T23:59:59.000Z" };
    const expected = async (pem: string, subject: string, issuer: string) => {
      const printed = await convert(pem, "x509", "-noout", "-serial", "-fingerprint", "-sha256");
      const [, serial, sha256] = /^serial=(.*)\n.*=(.*)\n$/.exec(printed) ?? [];
      return { subject, issuer, serial, sha256, ...dates, days_left: 8614 };
    };
    const signer = await expected(certificate, "CN=Test sender", "CN=Test issuer");
    const path = [
      signer,
      await expected(intermediate.certificate, "CN=Test issuer", "CN=Test root"),
      await expected(root.certificate, "CN=Test root", "CN=Test root"),
    ];
    expect(await shown(instance)).toEqual({
      smime_pss: false,
      smime_encrypt: false,
      ...signer,
      addresses: [SENDER],
      key: "RSA 2048",
      path,
    });
  });

  test("has the certificate after its end, and whether or not it signs", async () => {
    await using instance = await testInstance();
    await save(instance, { ...SERVER, ...(await withLeaf(EXPIRED)) });
    expect(await shown(instance)).toMatchObject({ subject: "CN=Test sender", days_left: -32, key: "P-256" });
  });

  test("has no certificate without a key, or with the key of another", async () => {
    await using instance = await testInstance();
    const { certificate } = await good();
    for (const json of [{}, { certificate }, { certificate, private_key: await privateKey("rsa") }]) {
      await save(instance, { ...SERVER, private_key: "", certificate: "", ...json });
      expect(await shown(instance)).toEqual({ smime_pss: false, smime_encrypt: false });
    }
  });
});

describe.skipIf(!isInstalled("openssl"))("a kept key", () => {
  const [GIVEN, NAMED] = ["given@example.org", "named@example.org"];
  async function saved() {
    const instance = await testInstance();
    const identity = await withLeaf({ extensions: mailExtensions("subjectAltName", `email:${NAMED}`) });
    const json = { ...SERVER, ...identity, sender: GIVEN, smime: true };
    expect((await save(instance, json)).status).toBe(200);
    return instance;
  }
  const change = async (instance: TestInstance, json: object) => {
    const { status, error } = await save(instance, { ...SERVER, smime: true, ...json });
    return status === 200 ? status : error?.message;
  };
  const ASKS = expect.stringMatching(/^ERR905: Invalid parameter: private_key: required again, .*sender/);

  test("signs for the sender that it was given with, or one that its certificate names", async () => {
    await using instance = await saved();
    expect(await change(instance, { sender: GIVEN })).toBe(200);
    expect(await change(instance, { sender: `Named <${NAMED}>` })).toBe(200);
    expect(await change(instance, { sender: GIVEN })).toBe(200);
  });

  test("does not sign for another sender, even if signing is off meanwhile", async () => {
    await using instance = await saved();
    for (const smime of [true, false]) {
      expect(await change(instance, { sender: "else@example.org", smime })).toEqual(ASKS);
      const json = { sender: "else@example.org", smime, private_key: CENSORED };
      expect(await change(instance, json)).toEqual(ASKS);
    }
  });

  test.each([false, true])(
    "does not sign for an address that only a later certificate names, saved by an older version: %p",
    async (isOld) => {
      await using instance = await testInstance();
      const key = await privateKey("rsa");
      const certificateFor = async (...addresses: string[]) => {
        const names = mailExtensions("subjectAltName", addresses.map((one) => `email:${one}`).join(","));
        return (await withLeaf({ key, extensions: names })).certificate;
      };
      const given = { sender: GIVEN, private_key: key, certificate: await certificateFor(NAMED) };
      expect(await change(instance, given)).toBe(200);
      if (isOld)
        await instance.database.write.run("UPDATE smtp_server SET signing_key = '', version = version + 1");
      const certificate = await certificateFor(GIVEN, NAMED, "ceo@example.org");
      expect(await change(instance, { sender: "ceo@example.org", certificate })).toEqual(ASKS);
      expect(await change(instance, { sender: GIVEN, certificate })).toBe(200);
      expect(await change(instance, { sender: "ceo@example.org" })).toEqual(ASKS);
      expect(await change(instance, { sender: NAMED })).toBe(200);
      expect(await change(instance, { sender: "ceo@example.org", private_key: key, certificate })).toBe(200);
    },
  );

  test("does not sign for a username that becomes the sender", async () => {
    await using instance = await saved();
    expect(await change(instance, { sender: "", username: "else@example.org", tls: true })).toEqual(ASKS);
  });

  test("may be cleared or given again for another sender", async () => {
    await using instance = await saved();
    const identity = await withLeaf({});
    expect(await change(instance, { sender: "else@example.org", ...identity })).toBe(200);
    const cleared = { sender: "more@example.org", private_key: "", certificate: "", smime: false };
    expect(await change(instance, cleared)).toBe(200);
  });
});

describe.skipIf(!isInstalled("openssl"))(
  "a definition whose certificate has expired after it was saved",
  () => {
    async function expiredSince(extra: object = {}): Promise<TestInstance> {
      const instance = await testInstance();
      const soon = new Date(START.getTime() + 40 * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "");
      const identity = await withLeaf({ notAfter: soon });
      const json = {
        ...SERVER,
        username: SENDER,
        password: "old",
        tls: true,
        smime: true,
        ...identity,
        ...extra,
      };
      expect((await save(instance, json)).status).toBe(200);
      instance.clock.advance(41 * 86_400);
      return Object.assign(instance, { token: await instance.logIn("admin", "correct horse") });
    }
    const request = async (instance: TestInstance, method: string, json?: object) =>
      instance.request(method, "/smtpserver/a", { token: instance.token, ...(json && { json }) });

    test("accepts another password, with a warning", async () => {
      await using instance = await expiredSince();
      const change = { ...SERVER, username: SENDER, tls: true, smime: true, password: "new" };
      const { status, detail } = await request(instance, "POST", change);
      expect(status).toBe(200);
      expect(detail?.warnings).toEqual([expect.stringContaining("expired")]);
      expect(detail?.notices).toEqual([{ code: "sign_expired", parameter: "certificate" }]);
    });

    test("accepts another password from a client that sends back all fields", async () => {
      await using instance = await expiredSince();
      const { value } = await request(instance, "GET");
      expect(value).toMatchObject({ private_key: CENSORED, private_key_password: "", smime: true });
      const { status, error } = await request(instance, "POST", { ...(value as object), password: "new" });
      expect([status, error]).toEqual([200, undefined]);
    });

    test("rejects a new key or passphrase, but can stop signing", async () => {
      await using instance = await expiredSince();
      const change = { ...SERVER, username: SENDER, tls: true, smime: true };
      const key = (await good()).private_key;
      const { certificate } = (await request(instance, "GET")).value as { certificate: string };
      expect((await request(instance, "POST", { ...change, private_key: key, certificate })).status).toBe(
        400,
      );
      expect((await request(instance, "POST", { ...change, private_key_password: "x" })).status).toBe(400);
      expect((await request(instance, "POST", { ...change, smime: false })).status).toBe(200);
      expect((await request(instance, "POST", change)).status).toBe(400);
    });
  },
);
