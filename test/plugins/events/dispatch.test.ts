import { describe, expect, test } from "bun:test";
import type { Transport } from "sealpost/driver";
import { events } from "sealpost/plugins/events";
import { auditRows, deliveredMails, drain } from "../../fixtures/delivered.ts";
import { type TestInstance, testInstance } from "../../fixtures/instance.ts";
import { failed, NO_SUCH_USER } from "../../fixtures/receipts.ts";
import { ANN, addUser, bind, eventsInstance } from "./fixtures/bindings.ts";

const FIXED = { "option.To": "email", "option.To email": "ops@example.org" };

async function subjects(instance: TestInstance): Promise<(string | undefined)[]> {
  return (await deliveredMails(instance)).map(({ subject }) => subject);
}

describe("recipients", () => {
  test("are by default the user of the event", async () => {
    await using instance = await eventsInstance();
    await bind(instance);
    await addUser(instance);
    const [mail, ...others] = await deliveredMails(instance);
    expect(others).toEqual([]);
    expect(mail).toMatchObject({
      subject: "Hello Ann",
      to: [{ address: ANN.email }],
      from: { address: "app@example.org" },
    });
    expect(mail?.text?.trim()).toBe("ann Lee user_add");
    expect(mail?.replyTo).toBeUndefined();
  });

  test("can come from another attribute of the user", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { "option.To": "tokenowner", "option.To tokenowner": "surname" });
    await addUser(instance, { surname: "boss@example.org" });
    expect((await deliveredMails(instance))[0]?.to?.[0]?.address).toBe("boss@example.org");
  });

  test("can be fixed addresses, each of which gets its own message", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { "option.To": "email", "option.To email": "a@example.org, Bea <b@example.org>" });
    await addUser(instance);
    const recipients = (await deliveredMails(instance)).map(({ to = [] }) => to);
    expect(recipients).toHaveLength(2);
    expect(recipients).toContainEqual([{ name: "", address: "a@example.org" }]);
    expect(recipients).toContainEqual([{ name: "Bea", address: "b@example.org" }]);
  });

  test("can be all users of a realm, and no others", async () => {
    await using instance = await eventsInstance();
    await addUser(instance, {
      username: "root",
      realm: "admins",
      email: "root@example.org",
      givenname: "Ro",
    });
    await addUser(instance, { username: "mute", realm: "admins", email: "" });
    await addUser(instance, { username: "bea" });
    await bind(instance, {
      "option.To": "admin realm",
      "option.To admin realm": "admins",
      "option.subject": "{recipient_givenname}: {username}",
    });
    await addUser(instance);
    expect((await deliveredMails(instance)).map(({ subject, to }) => [subject, to?.[0]?.address])).toEqual([
      ["Ro: ann", "root@example.org"],
    ]);
  });

  test("can be local admins at the addresses in the settings, never users of the same name", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { "option.To": "logged_in_user" });
    await bind(instance, { "option.To": "internal admin", "option.To internal admin": "ops" });
    await addUser(instance, { username: "admin", email: "eve@example.net" });
    expect(await deliveredMails(instance)).toEqual([]);
    const json = { "events.admins": "admin=root@example.org, ops = Ops <ops@example.org>" };
    await instance.request("POST", "/system/setConfig", { json });
    await addUser(instance);
    const addresses = (await deliveredMails(instance)).map(({ to }) => to?.[0]?.address);
    expect(addresses.toSorted()).toEqual(["ops@example.org", "root@example.org"]);
  });

  test("reply to the address that reply_to names", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { ...FIXED, "option.reply_to": "tokenowner" });
    await bind(instance, {
      ...FIXED,
      "option.reply_to": "email",
      "option.reply_to email": "x@example.org, y@example.org",
    });
    await addUser(instance);
    const responses = (await deliveredMails(instance)).map(({ replyTo = [] }) => replyTo);
    const addresses = responses.map((mailboxes) => mailboxes.map(({ address }) => address).join());
    expect(addresses.toSorted()).toEqual([ANN.email, "x@example.org,y@example.org"]);
  });

  test.each([
    [{}, "no recipients: the attribute email of the user is not an address"],
    [{ event: "policy_list" }, "no recipients: the directory has no such user"],
    [{ "option.To": "logged_in_user" }, "no recipients: events.admins has no address of this admin"],
    [
      { "option.To": "admin realm", "option.To admin realm": "nowhere" },
      "no recipients: no user in the realm has an address",
    ],
    [{ ...FIXED, "option.emailconfig": "gone" }, "server_unknown"],
  ])("without an address are an audited failure: %j", async (more, info) => {
    await using instance = await eventsInstance();
    await bind(instance, more);
    await addUser(instance, { email: "" });
    await instance.request("GET", "/policy/");
    await drain(instance);
    const rows = [
      ...(await auditRows(instance, "event user_add")),
      ...(await auditRows(instance, "event policy_list")),
    ];
    expect(rows).toMatchObject([{ success: 0, identifier: "welcome", info }]);
    expect(instance.sent).toEqual([]);
  });

  test("get a limited number of messages an hour, and an excess is audited", async () => {
    await using instance = await eventsInstance({}, { mailsPerHour: 2 });
    await bind(instance, FIXED);
    for (const username of ["a", "b", "c"]) await addUser(instance, { username });
    expect(await deliveredMails(instance)).toHaveLength(2);
    const [row] = await auditRows(instance, "event user_add");
    expect(row).toMatchObject({
      success: 0,
      recipient: "ops@example.org",
      info: "too many messages to this address",
    });
  });
});

describe("conditions", () => {
  test.each<[Readonly<Record<string, unknown>>, boolean]>([
    [{}, true],
    [{ realm: "default" }, true],
    [{ realm: "other, def*" }, true],
    [{ realm: "*, !default" }, false],
    [{ tokenrealm: "other" }, false],
    [{ username: "ANN" }, true],
    [{ serial: "*" }, false],
    [{ tokentype: "email" }, false],
    [{ token_has_owner: true }, true],
    [{ token_has_owner: "False" }, false],
    [{ logged_in_user: "admin" }, true],
    [{ logged_in_user: "user" }, false],
    [{ admin: "admin", plugin: "directory" }, true],
    [{ admin: "admin", plugin: "events" }, false],
    [{ adminrealm: "*" }, false],
    [{ result_status: "True" }, true],
    [{ result_status: "False" }, false],
    [{ result_authentication: "ACCEPT" }, false],
    [{ client_ip: "192.0.2.0/24" }, true],
    [{ client_ip: "192.0.2.0/24, !192.0.2.10" }, false],
    [{ client_ip: "2001:db8::/32" }, false],
    [{ identifier: "main" }, false],
    [{ reason: "*" }, false],
  ])("%j applies to a user created by an admin: %p", async (conditions, holds) => {
    await using instance = await eventsInstance();
    await bind(instance, { conditions });
    await addUser(instance);
    expect(await deliveredMails(instance)).toHaveLength(holds ? 1 : 0);
  });

  test.each<[unknown, string, boolean]>([
    ["Lee\\, Ann", "Lee\\, Ann", true],
    ["bea, Lee\\, A*", "bea, Lee\\, A*", true],
    ["*, !lee\\, ann", "*, !lee\\, ann", false],
    [["bea", "lee, ann"], "bea,lee\\, ann", true],
    [["dom\\", "lee, ann"], "dom\\ ,lee\\, ann", true],
    ["Lee, Ann", "Lee, Ann", false],
  ])("username %j is stored as %j, and applies to Lee, Ann: %p", async (username, stored, holds) => {
    await using instance = await eventsInstance();
    await bind(instance, { conditions: { username } });
    expect((await instance.request("GET", "/event/1")).value).toMatchObject([
      { conditions: { username: stored } },
    ]);
    await addUser(instance, { username: "Lee, Ann" });
    expect(await deliveredMails(instance)).toHaveLength(holds ? 1 : 0);
  });
});

describe("templates", () => {
  test("can name the policy or definition of the event", async () => {
    await using instance = await eventsInstance();
    const event = "policy_get, smtpserver_get";
    const conditions = { identifier: "office" };
    await bind(instance, { ...FIXED, event, conditions, "option.subject": "{event} {identifier}" });
    for (const path of ["/policy/office", "/smtpserver/office", "/smtpserver/default"]) {
      await instance.request("GET", path);
    }
    expect((await subjects(instance)).toSorted()).toEqual(["policy_get office", "smtpserver_get office"]);
  });

  test("escape values in HTML and never interpret them", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { ...FIXED, "option.mimetype": "html", "option.body": "<p>{{{surname}}}</p>" });
    await addUser(instance, { surname: "<b>{serial}</b> & co" });
    const [mail] = await deliveredMails(instance);
    expect(mail?.html).toContain("\n<p>{&lt;b&gt;{serial}&lt;/b&gt; &amp; co}</p>\n");
    expect(mail?.text).toBeFalsy();
  });

  test("have defaults in which unknown values are empty", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { ...FIXED, "option.subject": "", "option.body": "" });
    await addUser(instance);
    const [mail] = await deliveredMails(instance);
    expect(mail?.subject).toBe("user_add");
    expect(mail?.text).toContain("user_add at 12:00 UTC on 2026-06-01");
    expect(mail?.text).not.toMatch(/None|null|undefined/);
  });
});

test("the built-in text is in the language of the binding", async () => {
  await using instance = await eventsInstance();
  await bind(instance, { ...FIXED, "option.body": "", "option.language": "de" });
  await addUser(instance);
  const [mail] = await deliveredMails(instance);
  expect(mail?.text).toContain("user_add um 12:00 UTC am 2026-06-01");
});

describe("a watched event", () => {
  test("does not delay or fail the request when the message cannot be built", async () => {
    let isReached = false;
    const stuck: Transport = {
      name: "stuck",
      send: () => {
        isReached = true;
        return new Promise(() => undefined);
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
    await using instance = await eventsInstance({ transport: stuck });
    await bind(instance, FIXED);
    await instance.database.write.run("DROP TABLE mail");
    const { status } = await instance.request("POST", "/user/", { json: ANN });
    expect([status, isReached]).toEqual([200, false]);
    await instance.services.settled();
    const rows = await auditRows(instance, "event user_add");
    expect(rows).toMatchObject([{ success: 0, identifier: "welcome", info: "internal" }]);
  });

  test("runs the other bindings in order when one fails", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { ...FIXED, ordering: 3, "option.To email": "third@example.org" });
    await bind(instance, { ...FIXED, ordering: 1, "option.To email": "first@example.org" });
    await bind(instance, { ...FIXED, ordering: 2, "option.emailconfig": "gone" });
    await addUser(instance);
    await instance.services.settled();
    const rows = await auditRows(instance, "plugin events");
    expect(rows.map(({ success, recipient }) => [success, recipient])).toEqual([
      [1, "first@example.org"],
      [0, "ops@example.org"],
      [1, "third@example.org"],
    ]);
  });

  test("reports a permanently failed message once, and the failure of the report triggers no event", async () => {
    const rejecting = await rejectingTransport();
    await using instance = await eventsInstance({ transport: rejecting.transport });
    await bind(instance, {
      ...FIXED,
      event: "mail_failed",
      "option.subject": "{identifier} {reason} {recipients}",
    });
    const submitted = await instance.services.submit(
      "default",
      { to: [{ name: "", address: "gone@example.net" }], subject: "x", text: "x" },
      { queue: true },
    );
    expect(submitted.state).toBe("queued");
    for (let round = 0; round < 4; round++) await drain(instance);
    expect(rejecting.recipients).toEqual(["gone@example.net", "ops@example.org"]);
    const [mail] = await instance.database.read.all("SELECT count(*) AS mails FROM mail");
    expect(mail).toEqual({ mails: 2 });
  });

  test("can be the change of a binding, even of its own", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { ...FIXED, event: "event_add,event_enable", "option.subject": "{event}" });
    await bind(instance);
    await instance.request("POST", "/event/enable/1");
    expect((await subjects(instance)).toSorted()).toEqual(["event_add", "event_add", "event_enable"]);
  });
});

test("without a directory, fixed addresses get their messages and users cause an audited failure", async () => {
  await using instance = await testInstance({ plugins: [events()] });
  await instance.request("POST", "/smtpserver/default", {
    json: { server: "m.example.org", sender: "a@example.org" },
  });
  await bind(instance, { ...FIXED, event: "policy_list" });
  await bind(instance, { event: "policy_list" });
  await instance.request("GET", "/policy/");
  expect(await deliveredMails(instance)).toHaveLength(1);
  const [row] = await auditRows(instance, "event policy_list");
  expect(row?.info).toBe("no recipients: there is no directory");
});

/** A mail server that permanently rejects every recipient. */
async function rejectingTransport() {
  const recipients: string[] = [];
  const transport: Transport = {
    name: "rejecting",
    async send({ recipient }) {
      recipients.push(recipient);
      return failed(NO_SUCH_USER);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { recipients, transport };
}
