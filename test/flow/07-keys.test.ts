import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Api, session } from "../fixtures/process/api.ts";
import { Child, TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, type Sealpost, startInVain, startSealpost } from "../fixtures/process/sealpost.ts";
import { sender } from "../fixtures/smime/authority.ts";
import { encrypt, PASSPHRASE } from "../fixtures/smime/keys.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

const key = (id: string) => `${id}:${crypto.getRandomValues(new Uint8Array(32)).toBase64()}`;
const OLD = key("old");
const NEW = key("new");
const ADMIN_PASSWORD = "a password for key tests";

function start(folder: string, keys: string): Promise<Sealpost> {
  const env = { SEALPOST_ADMIN_PASSWORD: ADMIN_PASSWORD, SEALPOST_KEYS: keys };
  return startSealpost({ folder, env });
}

/** Starts with these keys and expects a failure. @returns the one line on standard error. */
async function refusal(folder: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await startInVain({ folder, env });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  for (const secret of [OLD, NEW]) expect(stderr).not.toContain(secret.split(":")[1] ?? "");
  expect(stderr).toMatch(/^sealpost: [^\n]+\n$/);
  return stderr;
}

const passwordOf = (number: number) => `secret ${number}`;

async function saveMany(api: Api, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    await api.save(`s${number}`, { server: "mail.example.org", password: passwordOf(number) });
  }
}

async function requireAll(api: Api, count: number): Promise<void> {
  const found = await api.list();
  const passwords = Array.from({ length: count }, (_, number) => found[`s${number}`]?.password);
  expect(passwords).toEqual(passwords.map((_, number) => passwordOf(number)));
}

test("a start without the keys of the database names the missing key and changes nothing", async () => {
  using folder = temporaryFolder();
  const sealpost = await start(folder.path, OLD);
  await using _ = sealpost;
  await saveMany(await sealpost.logIn(), 2);
  await sealpost.stop();
  const path = join(folder.path, "data", "sealpost.db");
  const stored = async () => [
    await outside(path, "SELECT * FROM smtp_server"),
    await outside(path, "SELECT * FROM instance ORDER BY name"),
  ];
  const before = await stored();

  const missing = await refusal(folder.path, { SEALPOST_KEYS: NEW });
  expect(missing).toContain('SEALPOST_KEYS: this database is encrypted with key "old"');
  expect(missing).toContain("new");
  const bytes = NEW.split(":")[1] ?? "";
  expect(await refusal(folder.path, { SEALPOST_KEYS: `old:${bytes}` })).toContain("SEALPOST_KEYS");
  expect(await refusal(folder.path, {})).toContain("SEALPOST_KEYS");
  expect(await stored()).toEqual(before);

  await using again = await start(folder.path, OLD);
  await requireAll(await again.logIn(), 2);
});

test("a start without the key file names the file, and works once the file is restored", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  await saveMany(api, 1);
  await sealpost.stop();
  const file = join(folder.path, "data", "sealpost.keys");
  renameSync(file, `${file}.away`);
  expect(await refusal(folder.path, {})).toContain("data/sealpost.keys is missing; restore it");
  renameSync(`${file}.away`, file);
  await using again = await startSealpost({ folder: folder.path });
  await requireAll(session(again.url, api.token), 1);
});

const MALFORMED: readonly (readonly [what: string, keys: string])[] = [
  ["no base64", "old:***"],
  ["no id", `:${OLD.split(":")[1]}`],
  ["a short key", "old:AAAA"],
  ["no separator at all", "something"],
  ["twice the same id", `${OLD},${OLD}`],
  ["an empty entry", `${OLD},`],
];
test.each(MALFORMED)(
  "SEALPOST_KEYS with %s stops the start, and the message does not repeat it",
  async (_what, keys) => {
    using folder = temporaryFolder();
    const line = await refusal(folder.path, { SEALPOST_KEYS: keys });
    expect(line).toStartWith("sealpost: SEALPOST_KEYS: ");
    expect(line).not.toContain(keys);
  },
);

test.each(["", "junk\n"])(
  "a key file with the content %j stops the start and is not changed",
  async (content) => {
    using folder = temporaryFolder();
    await (await startSealpost({ folder: folder.path })).stop();
    const file = join(folder.path, "data", "sealpost.keys");
    writeFileSync(file, content);
    expect(await refusal(folder.path, {})).toContain("sealpost.keys");
    expect(readFileSync(file, "utf8")).toBe(content);
  },
);

test("keys rotate, killed halfway and run again, re-encrypts everything with the new key", async () => {
  using folder = temporaryFolder();
  const COUNT = 400;
  const { key: privateKey, certificate } = await sender("p256");
  await using first = await start(folder.path, OLD);
  const api = await first.logIn();
  await saveMany(api, COUNT);
  const smime = {
    server: "mail.example.org",
    sender: "otp@example.org",
    smime: true,
    private_key: await encrypt(privateKey, []),
    private_key_password: PASSPHRASE,
    certificate,
  };
  expect((await api.save("signing", smime)).status).toBe(200);
  await first.stop();

  const env = { SEALPOST_KEYS: `${NEW},${OLD}` };
  const killed = new Child("src/cli/index.ts", ["keys", "rotate"], { folder: folder.path, env });
  await someResealed(join(folder.path, "data", "sealpost.db"));
  killed.signal("SIGKILL");
  expect((await killed.ended).code).toBeNull();

  // With both keys everything decrypts in between, and a new secret is encrypted with the new one.
  await using between = await start(folder.path, env.SEALPOST_KEYS);
  await requireAll(await between.logIn(), COUNT);
  await between.stop();

  const { code, stdout } = await runCli(["keys", "rotate"], { folder: folder.path, env });
  expect(code).toBe(0);
  const [, resealed, current] = /^(\d+) re-encrypted with the first key, (\d+) unchanged/.exec(stdout) ?? [];
  expect(Number(resealed)).toBeGreaterThan(0);
  expect(Number(current)).toBeGreaterThan(0);

  await using last = await start(folder.path, NEW);
  const admin = session(last.url, api.token);
  await requireAll(admin, COUNT);
  // The token was signed before, so its secret was re-encrypted; so were key and passphrase.
  expect(
    (await admin.save("signing", { ...smime, private_key: null, private_key_password: null })).status,
  ).toBe(200);
  expect(await refusal(folder.path, { SEALPOST_KEYS: OLD })).toContain('"new"');
});

async function someResealed(path: string): Promise<void> {
  for (;;) {
    const [row] = await outside(path, "SELECT count(*) AS n FROM smtp_server WHERE password LIKE 'v1.new.%'");
    if (Number((row as { readonly n: number }).n) > 0) return;
  }
}
