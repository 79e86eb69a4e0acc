import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { openDatabase } from "../../src/storage/open-database.ts";
import { realRandomBytes, testInstance } from "../fixtures/instance.ts";
import { temporaryFile } from "../storage/fixtures/database.ts";

/** Routes whose first read also decides the right, and some others. */
const ROUTES = [
  ["GET", "/audit/", undefined],
  ["GET", "/mail/", undefined],
  ["GET", "/mail/none", undefined],
  ["GET", "/smtpserver/main", undefined],
  ["GET", "/smtpserver/none", undefined],
  ["GET", "/smtpserver/", undefined],
  ["GET", "/policy/", undefined],
  ["POST", "/validate/triggerchallenge", { user: "ann" }],
  ["POST", "/token/init", { type: "email", user: "ann", email: "ann@example.org" }],
  ["POST", "/user/", { username: "eve", email: "eve@example.org" }],
  ["POST", "/smtpserver/main", { server: "evil.example.org" }],
  // There is no read, because the parameter is invalid.
  ["GET", "/audit/?page=x", undefined],
] as const;

const CHANGES = [
  ["an admin who was disabled", "UPDATE admin SET enabled = 0, generation = generation + 1", 401],
  [
    "an admin who lost every right",
    `INSERT INTO policy (id, name, scope, action, adminuser, adminrealm, client, time, active, priority, description)
      VALUES ('1', 'other', 'admin', '{"*":true}', '["somebody"]', '[]', '[]', '', 1, 1, '')`,
    403,
  ],
] as const;

describe.each(CHANGES)("%s in another process", (_, change, status) => {
  test.each(ROUTES)(`is effective at the very next %s %s`, async (method, path, json) => {
    using file = temporaryFile();
    const open = () => openDatabase({ url: file.url, randomBytes: realRandomBytes });
    await using other = open();
    await using instance = await testInstance({ database: open(), plugins: [directory(), emailToken()] });
    await instance.request("POST", "/smtpserver/main", { json: { server: "mail.example.org" } });
    await instance.request("POST", "/user/", { json: { username: "ann", email: "ann@example.org" } });
    const options = json === undefined ? {} : { json };
    // This process has cached the admins and policies.
    await instance.request("GET", "/audit/");
    await other.commit([other.write.run(change)]);
    const before = await other.read.all("SELECT * FROM smtp_server");
    const response = await instance.request(method, path, options);
    expect(response.status).toBe(status);
    expect(response.value).toBeUndefined();
    expect(instance.sent).toHaveLength(0);
    expect(await other.read.all("SELECT * FROM smtp_server")).toEqual(before);
    expect(await other.read.all("SELECT 1 FROM directory_user WHERE name_key = 'eve'")).toEqual([]);
    expect(await other.read.all("SELECT 1 FROM email_token_token")).toEqual([]);
  });
});
