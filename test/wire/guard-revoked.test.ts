import { describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { definePlugin, route } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import * as v from "valibot";
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

/** A plugin whose route fails before it reads. */
const broken = definePlugin({
  name: "broken",
  options: v.object({}),
  rights: { broken_read: "read nothing" },
  setup: () => ({
    routes: [
      route(
        {
          method: "GET",
          path: "/broken/",
          right: "broken_read",
          isProvedByRead: true,
          response: v.null(),
          summary: "Fail",
        },
        async () => {
          throw new Error("The route is broken");
        },
      ),
    ],
  }),
});

/** Calls the broken route when its right has to be proved and a change has been made elsewhere. */
async function callBroken(change: string) {
  const records: LogRecord[] = [];
  await configure({
    sinks: { all: (record) => void records.push(record) },
    loggers: [
      { category: ["sealpost", "http"], sinks: ["all"], lowestLevel: "error" },
      { category: ["logtape", "meta"], lowestLevel: "error" },
    ],
  });
  try {
    using file = temporaryFile();
    const open = () => openDatabase({ url: file.url, randomBytes: realRandomBytes });
    await using other = open();
    await using instance = await testInstance({ database: open(), plugins: [broken()] });
    await instance.request("GET", "/audit/");
    await other.commit([other.write.run(change)]);
    const { status, detail } = await instance.request("GET", "/broken/");
    return { status, detail, lines: records.map(({ properties }) => properties) };
  } finally {
    await reset();
  }
}

describe("a route that fails before its right is proved", () => {
  const ofRoute = { error: expect.objectContaining({ message: "The route is broken" }) };

  test.each(CHANGES)("is logged once, and %s gets no other response", async (_, change, status) => {
    const called = await callBroken(change);
    expect(called).toMatchObject({ status, lines: [ofRoute] });
    expect(called.lines).toHaveLength(1);
  });

  test("is logged together with the failure of the proof, under the ID of the request", async () => {
    const { status, detail, lines } = await callBroken("DROP TABLE epoch");
    const requestId = detail?.request_id;
    expect(status).toBe(500);
    expect(requestId).toBeString();
    expect(lines).toEqual([
      { requestId, ...ofRoute },
      { requestId, error: expect.objectContaining({ message: expect.stringContaining("epoch") }) },
    ]);
  });
});
