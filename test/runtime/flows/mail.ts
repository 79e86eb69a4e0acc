import { expect } from "bun:test";
import { type SmtpTestServerOptions, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { encrypt, PASSPHRASE } from "../../fixtures/smime/keys.ts";
import { decrypt, RECIPIENT_KINDS, recipient } from "../../fixtures/smime/recipient.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import type { Flow, Instance } from "../flow.ts";
import { tlsMaterial } from "../material.ts";

const RECIPIENT = "you@example.net";
const PASSWORD = "smtp-pässword-1";
const USERS = { mailer: PASSWORD };
const CREDENTIALS = { username: "mailer", password: PASSWORD };

const SHOWN = {
  tls: {
    protocol: "TLSv1.3",
    chain: [{ subject: "CN=good", issuer: expect.any(String), not_after: expect.any(String) }, {}],
    days_left: 29,
  },
  addresses: expect.arrayContaining([{ address: "127.0.0.1", result: "connected", ms: expect.any(Number) }]),
};
const HIDDEN = { tls: { protocol: null, chain: [], days_left: null }, addresses: null };

/** Sends a test message. @returns the messages that the server received, and the response. */
async function exchange(
  { admin }: Instance,
  options: SmtpTestServerOptions,
  definition: Readonly<Record<string, unknown>>,
  address = (port: number) => `127.0.0.1:${port}`,
) {
  await using smtp = await startSmtpServer(options);
  const { body } = await admin.test({
    server: address(smtp.port),
    sender: SENDER,
    recipient: RECIPIENT,
    timeout: 10,
    ...definition,
  });
  return { value: body.result.value, detail: body.detail, messages: smtp.messages };
}

export const MAIL: readonly Flow[] = [
  {
    claim: "a test message of a stored definition arrives, sent with the stored password",
    async run({ admin }) {
      await using smtp = await startSmtpServer({ users: USERS });
      const definition = { server: `127.0.0.1:${smtp.port}`, sender: SENDER, ...CREDENTIALS };
      await admin.save("borrowed", definition);
      const mail = { ...definition, identifier: "borrowed", password: "__CENSORED__", recipient: RECIPIENT };
      expect((await admin.test(mail)).body.result.value).toBe(true);
      expect(smtp.messages).toMatchObject([{ from: SENDER, recipients: [RECIPIENT], isAuthenticated: true }]);
      const text = new TextDecoder().decode(smtp.messages[0]?.bytes);
      expect(text).toContain("Subject: Test Email from Sealpost\r\n");
      expect(text).toContain(`\r\nTo: ${RECIPIENT}\r\n`);
      expect(text).toMatch(/\r\nMessage-ID: <[^@>\s]+@example\.org>\r\n/i);
    },
  },
  ...["PLAIN", "LOGIN", "CRAM-MD5"].map(
    (mechanism): Flow => ({
      claim: `mail is sent after AUTH ${mechanism}`,
      async run(instance) {
        const { value, messages } = await exchange(
          instance,
          { users: USERS, mechanisms: [mechanism] },
          CREDENTIALS,
        );
        expect(value).toBe(true);
        expect(messages).toMatchObject([{ isAuthenticated: true }]);
      },
    }),
  ),
  {
    claim: "mail is sent over STARTTLS under a private certificate authority",
    needs: "openssl",
    async run(instance) {
      const options = { security: "starttls", tls: tlsMaterial().good, users: USERS } as const;
      const definition = { ...CREDENTIALS, tls: true };
      const { value, detail, messages } = await exchange(
        instance,
        options,
        definition,
        (port) => `localhost:${port}`,
      );
      expect([value, detail?.delivery?.code]).toEqual([true, null]);
      expect(detail?.delivery?.tls).not.toBeNull();
      expect(messages).toMatchObject([{ isTls: true, isAuthenticated: true }]);
    },
  },
  {
    claim: "mail is sent over implicit TLS under a private certificate authority",
    needs: "openssl",
    async run(instance) {
      const options = { security: "implicit", tls: tlsMaterial().good } as const;
      const { value, detail, messages } = await exchange(
        instance,
        options,
        {},
        (port) => `smtps://localhost:${port}`,
      );
      expect([value, detail?.delivery?.code]).toEqual([true, null]);
      expect(detail?.delivery?.tls).not.toBeNull();
      expect(messages).toMatchObject([{ isTls: true }]);
    },
  },
  {
    claim: "a receipt names the TLS protocol, the peer and the days its certificate has left",
    needs: "openssl",
    async run(instance) {
      expect(await peerOf(instance)).toEqual({ protocol: "TLSv1.3", peer: "good", days_left: 29 });
    },
    except: {
      workerd: {
        because: "workerd does not show protocol and certificate: all of it is null",
        async run(instance) {
          expect(await peerOf(instance)).toEqual({ protocol: null, peer: null, days_left: null });
        },
      },
    },
  },
  {
    claim:
      "a check until auth reports greeting, extensions, mechanisms, TLS and addresses, and sends nothing",
    needs: "openssl",
    run: (instance) => checked(instance, SHOWN),
    except: {
      workerd: {
        because:
          "workerd shows neither certificate nor addresses: protocol, days left and addresses are null",
        run: (instance) => checked(instance, HIDDEN),
      },
    },
  },
  {
    claim: "a message signed with the encrypted RSA key of a stored definition verifies with openssl",
    needs: "openssl",
    async run(instance) {
      await using smtp = await startSmtpServer();
      const { key, certificate, root, intermediate } = await sender("rsa");
      const definition = {
        server: `127.0.0.1:${smtp.port}`,
        sender: SENDER,
        smime: true,
        dont_send_on_error: true,
        private_key: await encrypt(key, []),
        private_key_password: PASSPHRASE,
        certificate: certificate + intermediate.certificate,
      };
      expect((await instance.admin.save("signed", definition)).status).toBe(200);
      const secrets = { private_key: "__CENSORED__", private_key_password: "__CENSORED__" };
      const test = { ...definition, ...secrets, identifier: "signed", recipient: RECIPIENT };
      const { body } = await instance.admin.test(test);
      expect([body.result.value, body.detail?.smime?.signed]).toEqual([true, true]);
      const verified = await opensslVerify(smtp.messages[0]?.bytes ?? new Uint8Array(), root);
      expect(verified.stderr).toContain("successful");
      expect(verified.stdout).toContain("\r\nSubject: Test Email from Sealpost\r\n");
    },
  },
  {
    claim:
      "a message signed by RSASSA-PSS and encrypted is decrypted and verified by openssl, for RSA and EC keys",
    needs: "openssl",
    async run(instance) {
      await using smtp = await startSmtpServer();
      const { key, certificate, root, intermediate } = await sender("rsa");
      const definition = {
        server: `127.0.0.1:${smtp.port}`,
        ...{ sender: SENDER, smime: true, smime_pss: true, smime_encrypt: true, dont_send_on_error: true },
        private_key: key,
        certificate: certificate + intermediate.certificate,
      };
      for (const kind of RECIPIENT_KINDS) {
        const who = await recipient(kind, RECIPIENT);
        const recipient_certificate = intermediate.certificate + who.certificate;
        const test = { ...definition, recipient: RECIPIENT, recipient_certificate };
        const { body } = await instance.admin.test(test);
        expect([body.result.value, body.detail?.smime?.encrypted]).toEqual([true, true]);
        const { stdout } = await decrypt(smtp.messages.at(-1)?.bytes ?? new Uint8Array(), who);
        expect((await opensslVerify(new TextEncoder().encode(stdout), root)).stderr).toContain("successful");
      }
    },
  },
  {
    claim: "international and quoted addresses leave in ASCII, for servers with SMTPUTF8 and without",
    async run(instance) {
      for (const extensions of [["8BITMIME", "SMTPUTF8"], []]) {
        const definition = {
          sender: "Büro <app@BÜCHER.example>",
          recipient: 'Ann < "ann b"@straße。example >',
        };
        const { value, messages } = await exchange(instance, { extensions }, definition);
        expect(value).toBe(true);
        const [from, to] = ["app@xn--bcher-kva.example", '"ann b"@xn--strae-oqa.example'];
        expect(messages).toMatchObject([{ from, recipients: [to] }]);
        const text = new TextDecoder().decode(messages[0]?.bytes);
        expect(text).toContain(`From: =?UTF-8?Q?B=C3=BCro?= <${from}>\r\nTo: Ann <${to}>\r\n`);
        expect(text).toMatch(/\r\nMessage-ID: <\w+@xn--bcher-kva\.example>\r\n/);
      }
    },
  },
  {
    claim: "a message has Auto-Submitted, and its text is readable as it is",
    async run(instance) {
      const { messages } = await exchange(instance, {}, {});
      const text = new TextDecoder().decode(messages[0]?.bytes);
      expect(text.match(/^auto-submitted:.*$/gim)).toEqual(["Auto-Submitted: auto-generated"]);
      expect(text).toContain("\r\nContent-Transfer-Encoding: 7bit\r\n");
      expect(text).toContain("\r\nThis is a test email from Sealpost.\r\n");
    },
  },
  {
    claim: "a message has an audit row that names admin, client and recipient, and no secret",
    async run(instance) {
      const recipient = "audited@example.net";
      await exchange(instance, { users: USERS }, { ...CREDENTIALS, recipient });
      const rows = (await instance.admin.audit()).filter((row) => row.recipient === recipient);
      expect(rows).toMatchObject([
        { administrator: "admin", client: "127.0.0.1", outcome: "sent", success: true },
      ]);
      expect(JSON.stringify(rows)).not.toContain(PASSWORD);
    },
  },
];

async function peerOf(instance: Instance): Promise<unknown> {
  const options = { security: "implicit", tls: tlsMaterial().good } as const;
  const { detail } = await exchange(instance, options, {}, (port) => `smtps://localhost:${port}`);
  return detail?.delivery?.tls;
}

/** Checks a stored definition, and compares what the runtime shows of TLS and addresses. */
async function checked({ admin }: Instance, shown: typeof SHOWN | typeof HIDDEN): Promise<void> {
  const tls = tlsMaterial().good;
  await using smtp = await startSmtpServer({ security: "starttls", tls, users: USERS });
  const definition = { server: `localhost:${smtp.port}`, tls: true, sender: SENDER, ...CREDENTIALS };
  await admin.save("checked", definition);
  const check = { until: "auth", enqueue_job: true };
  const { body } = await admin.call("POST", "/smtpserver/checked/send_test_email", check);
  expect(body.result.value).toBe(true);
  expect(body.detail?.delivery).toMatchObject({ reached: "auth", outcome: "not-sent", accepted: [] });
  expect(body.detail?.server).toMatchObject({
    greeting: expect.any(String),
    extensions: {
      clear: expect.arrayContaining(["STARTTLS"]),
      tls: expect.arrayContaining([expect.stringContaining("AUTH ")]),
    },
    mechanisms: expect.arrayContaining(["PLAIN"]),
    size: 10_485_760,
    ...shown,
  });
  await smtp.closed();
  expect([...smtp.messages, ...smtp.unaccepted]).toEqual([]);
}
