import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { followCommands, pageCommands } from "../fixtures/process/page.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";
import { leaf, mailExtensions, SENDER, sender } from "../fixtures/smime/authority.ts";
import { run } from "../fixtures/smime/openssl.ts";

setDefaultTimeout(TEST_MS);

const MISSING = ["bash", "curl", "openssl"].filter((program) => Bun.which(program) === null);
if (MISSING.length > 0) console.warn(`Skipped: the pages of docs/; not installed: ${MISSING.join()}`);

const folder = temporaryFolder();
let smtp: SmtpTestServer;
let sealpost: Sealpost;

/** Files that a reader of the pages has. */
async function writeFiles(): Promise<void> {
  const { key, certificate, intermediate } = await sender("p256");
  const file = (name: string) => join(folder.path, name);
  writeFileSync(file("key.pem"), key);
  writeFileSync(file("cert.pem"), certificate + intermediate.certificate);
  const extensions = mailExtensions("keyUsage", "critical,digitalSignature,keyAgreement");
  writeFileSync(file("recipient.pem"), (await leaf({ key, extensions })) + intermediate.certificate);
  const files = ["-inkey", file("key.pem"), "-in", file("cert.pem"), "-out", file("identity.p12")];
  await run(["openssl", "pkcs12", "-export", ...files, "-passout", "pass:of the file"]);
}

beforeAll(async () => {
  smtp = await startSmtpServer();
  sealpost = await startSealpost({ folder: folder.path });
  await writeFiles();
  const { save } = await sealpost.logIn();
  await save("main", { server: `127.0.0.1:${smtp.port}`, sender: SENDER });
});
afterAll(async () => {
  await sealpost[Symbol.asyncDispose]();
  await smtp[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** Runs the commands of a page. @returns its envelopes, and the rest of the output. */
async function follow(page: string, to = "you@example.net") {
  const { token } = await sealpost.logIn();
  const reader = { FROM: SENDER, TO: to, P12_PASSWORD: "of the file" };
  const server = { URL: sealpost.url, TOKEN: token, SERVER: `127.0.0.1:${smtp.port}` };
  const commands = (await pageCommands(page)).join("\n");
  return followCommands(commands, folder.path, { ...reader, ...server, PASSWORD: sealpost.password ?? "" });
}

/** Waits for so many messages at the mail server, and returns the last. */
async function arrived(count: number): Promise<string> {
  while (smtp.messages.length < count) await Bun.sleep(20);
  return new TextDecoder().decode(smtp.messages[count - 1]?.bytes);
}

describe.skipIf(MISSING.length > 0)("the commands of", () => {
  test("docs/queue.md queue a message, list it and print the state of the queue", async () => {
    const before = smtp.messages.length;
    const { envelopes, rest } = await follow("docs/queue.md");
    expect(envelopes).toMatchObject([
      { result: { value: true }, detail: { queued: true, mail_id: expect.any(String) } },
      { result: { value: { count: expect.any(Number) } } },
    ]);
    expect(rest).toMatch(/queued|sent/);
    await arrived(before + 1);
  });

  test("docs/operate.md say that the server is ready, and that nothing is wrong", async () => {
    const [commands = ""] = await pageCommands("docs/operate.md");
    const { save, call } = await sealpost.logIn();
    await save("default", { server: `127.0.0.1:${smtp.port}`, sender: SENDER });
    const { rest } = await followCommands(commands, folder.path, { URL: sealpost.url });
    await call("DELETE", "/smtpserver/default");
    expect(rest).toMatch(/^database +ok /m);
    expect(rest).not.toContain("to do");
  });

  test("docs/metrics.md create a key that reads the metrics, and nothing else", async () => {
    const [commands = ""] = await pageCommands("docs/metrics.md");
    const { token } = await sealpost.logIn();
    const here = commands.replace("http://127.0.0.1:8080", sealpost.url);
    const { envelopes } = await followCommands(here, folder.path, { TOKEN: token });
    const [, key = ""] = /"key":"(sp_[^"]*)"/.exec(JSON.stringify(envelopes)) ?? [];
    expect(envelopes).toHaveLength(1);
    const get = (path: string) =>
      fetch(`${sealpost.url}${path}`, { headers: { Authorization: `Bearer ${key}` } });
    const response = await get("/metrics");
    expect({ status: response.status, text: await response.text() }).toEqual({
      status: 200,
      text: expect.stringMatching(/^sealpost_info\{.*\} 1$/m),
    });
    expect((await get("/smtpserver/")).status).toBe(403);
  });

  test("docs/send.md send, with copies and attachments, later, and many at a time", async () => {
    const before = smtp.messages.length;
    const { envelopes } = await follow("docs/send.md");
    const queued = { id: expect.any(String), state: "queued" };
    expect(envelopes.map(({ result }) => result.value)).toMatchObject([
      { identifier: "main" },
      queued,
      { id: expect.any(String), state: "sent" },
      queued,
      [queued, queued, { error: { code: 905, parameter: "to" } }],
    ]);
    expect(envelopes[2]?.detail).toMatchObject({ delivery: { outcome: "sent" } });
    // 1, 3 recipients, 1 while the caller waits, none of the later one, 2 of the batch.
    await arrived(before + 7);
    const texts = smtp.messages.slice(before).map(({ bytes }) => new TextDecoder().decode(bytes));
    expect(texts.filter((text) => text.includes("filename=report.txt"))).toHaveLength(3);
  });

  test("docs/check.md reach the login, and send nothing", async () => {
    const before = smtp.messages.length;
    const { envelopes, rest } = await follow("docs/check.md");
    expect(envelopes).toMatchObject([{ result: { value: true }, detail: { delivery: { reached: "auth" } } }]);
    expect(rest).toContain("auth");
    expect(smtp.messages).toHaveLength(before);
  });

  test("docs/sign.md sign with a PKCS#12 file, and save PEM files without a warning", async () => {
    const { envelopes } = await follow("docs/sign.md");
    expect(envelopes).toMatchObject([
      { result: { value: true } },
      { result: { value: true }, detail: { smime: { signed: true } } },
      { result: { value: true } },
      { result: { value: { smime: true, private_key: "__CENSORED__" } }, detail: { smime: { path: {} } } },
    ]);
    expect(envelopes.flatMap(({ detail }) => detail?.warnings ?? [])).toEqual([]);
  });

  test("docs/encryption.md encrypt a message to the certificate in a file", async () => {
    const { envelopes } = await follow("docs/encryption.md", SENDER);
    expect(envelopes).toMatchObject([
      { result: { value: true } },
      { result: { value: true }, detail: { smime: { encrypted: true } } },
    ]);
  });

  test("docs/api.md log in, list the definitions and save one with a client certificate", async () => {
    const { envelopes } = await follow("docs/api.md");
    expect(envelopes).toMatchObject([{ result: { value: { main: {} } } }, { result: { value: true } }]);
    expect(envelopes.flatMap(({ detail }) => detail?.warnings ?? [])).toEqual([]);
  });
});
