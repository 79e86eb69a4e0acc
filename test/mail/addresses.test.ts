import { describe, expect, test } from "bun:test";
import { createSealpost, type Message } from "sealpost";
import { openDrivers } from "sealpost/bun";
import { type SmtpTestServerOptions, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { CHEAP, testInstance } from "../fixtures/instance.ts";
import { until } from "./fixtures/queue.ts";

const ASCII = "xn--bcher-kva.example";
const MESSAGE: Message = { to: "ann@example.net", subject: "Your code", text: "Your code is 220611.\n" };
const SERVERS: readonly (readonly [name: string, options: SmtpTestServerOptions])[] = [
  ["with SMTPUTF8", {}],
  ["without SMTPUTF8", { extensions: [] }],
];

/** A Sealpost in a host app, with a definition `a` for its own mail server. */
async function hostApp(options: SmtpTestServerOptions = {}) {
  const server = await startSmtpServer(options);
  const drivers = await openDrivers({ databaseUrl: ":memory:" });
  const instance = await testInstance({ transport: drivers.transport });
  const json = { server: `127.0.0.1:${server.port}`, sender: "app@example.org" };
  await instance.request("POST", "/smtpserver/a", { json });
  return {
    ...{ server, instance },
    submit: (changes: Partial<Message>, queue = false) =>
      instance.services.submit("a", { ...MESSAGE, ...changes }, { queue }),
    texts: () => server.messages.map(({ bytes }) => new TextDecoder().decode(bytes)),
    async [Symbol.asyncDispose]() {
      await instance[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await drivers.transport[Symbol.asyncDispose]();
      await drivers.database[Symbol.asyncDispose]();
    },
  };
}

describe.each(SERVERS)("a message from a host app, to a server %s", (_, options) => {
  test.each([
    ["an object", { name: "", address: "ann@bücher.example" }],
    ["a text", "Ann <ann@BÜCHER.example>"],
    ["a text with an ideographic full stop", "ann@bücher。example"],
    ["a list", ["ann@bücher.example"]],
  ])("reaches a recipient whose domain is not ASCII, given as %s", async (_what, to) => {
    await using app = await hostApp(options);
    expect((await app.submit({ to })).state).toBe("delivered");
    expect(app.server.messages).toMatchObject([{ recipients: [`ann@${ASCII}`] }]);
    expect(app.texts()[0]).toMatch(new RegExp(`\r\nTo: (Ann <)?ann@${ASCII}>?\r\n`));
  });

  test("can have a sender whose domain is not ASCII", async () => {
    await using app = await hostApp(options);
    const from = { name: "", address: "app@bücher.example" };
    expect((await app.submit({ from, replyTo: "help@bücher.example" })).state).toBe("delivered");
    expect(app.server.messages).toMatchObject([{ from: `app@${ASCII}` }]);
    const [text] = app.texts();
    expect(text).toStartWith(`From: app@${ASCII}\r\n`);
    expect(text).toContain(`\r\nReply-To: help@${ASCII}\r\n`);
    expect(text).toMatch(new RegExp(`\r\nMessage-ID: <\\w+@${ASCII}>\r\n`));
  });

  test("is queued for several such recipients, and each gets it", async () => {
    await using app = await hostApp(options);
    await app.submit({ to: ["ann@bücher.example", "Bob <bob@straße.example>"] }, true);
    const { signal } = new AbortController();
    await app.instance.services.drain({
      signal,
      endsMs: performance.now() + 10_000,
      messageTimeoutMs: 1_000,
    });
    const recipients = app.server.messages.flatMap((mail) => mail.recipients);
    expect(recipients.toSorted()).toEqual([`ann@${ASCII}`, "bob@xn--strae-oqa.example"]);
  });

  test("reaches address literals and quoted local parts", async () => {
    await using app = await hostApp(options);
    const to = ["ann@[192.0.2.1]", "ann@[IPv6:2001:DB8::1]", '"ann b" <"ann b"@example.org>'];
    expect((await app.submit({ to })).state).toBe("delivered");
    const recipients = app.server.messages.flatMap((mail) => mail.recipients);
    expect(recipients.toSorted()).toEqual(
      ['"ann b"@example.org', "ann@[192.0.2.1]", "ann@[IPv6:2001:db8::1]"].toSorted(),
    );
  });
});

describe("recipients of copies", () => {
  test("get the message in separate transactions, and bcc recipients are not named in it", async () => {
    await using app = await hostApp();
    const result = await app.submit({ cc: "cc@example.net", bcc: ["bcc@example.net", "ann@example.net"] });
    expect(result.state).toBe("delivered");
    const recipients = app.server.messages.map((mail) => mail.recipients.join());
    expect(recipients.toSorted()).toEqual(["ann@example.net", "bcc@example.net", "cc@example.net"]);
    for (const text of app.texts()) {
      expect(text).toContain("\r\nTo: ann@example.net\r\nCc: cc@example.net\r\n");
      // One in a hundred random identifiers has these letters.
      expect(text.replace(/^Message-ID: <[^@]+@/im, "")).not.toMatch(/bcc/i);
    }
  });

  test("are listed in the queue and in the audit log", async () => {
    await using app = await hostApp();
    const result = await app.submit({ cc: "cc@example.net", bcc: "bcc@example.net" }, true);
    if (result.state !== "queued") throw new Error("The message was not queued");
    const { body } = await app.instance.request("GET", `/mail/${result.mailId}`);
    const all = ["ann@example.net", "cc@example.net", "bcc@example.net"];
    expect(body.result.value).toMatchObject({ recipients: all.map((address) => ({ address })) });
    const found = await app.instance.request("GET", "/mail/", { query: { recipient: "bcc@EXAMPLE.net" } });
    expect(found.value).toMatchObject({ count: 1 });
    const rows = await app.instance.database.read.all<{ recipient: string }>(
      "SELECT recipient FROM audit ORDER BY number DESC LIMIT 1",
    );
    expect(rows).toEqual([{ recipient: all.join(",") }]);
  });
});

describe("a server name that is not ASCII", () => {
  const SECRET = { server: "mail.bücher.example:2525", username: "me", password: "kept" };

  test("is saved as written, and dialed by its A-label", async () => {
    await using instance = await testInstance();
    expect((await instance.request("POST", "/smtpserver/a", { json: SECRET })).status).toBe(200);
    const { body } = await instance.request("GET", "/smtpserver/a");
    expect(body.result.value).toMatchObject({ server: SECRET.server });
    await instance.services.submit("a", { ...MESSAGE, from: "me@example.org" });
    expect(instance.sent[0]?.server).toMatchObject({ host: `mail.${ASCII}`, port: 2525 });
  });

  test("keeps the password with another spelling of the same name, and requires it with another name", async () => {
    await using instance = await testInstance();
    await instance.request("POST", "/smtpserver/a", { json: SECRET });
    const { password: _, ...rest } = SECRET;
    for (const server of [`mail.${ASCII}:2525`, "mail.BÜCHER.example.:2525", " mail.bücher。example:2525 "]) {
      const { status } = await instance.request("POST", "/smtpserver/a", { json: { ...rest, server } });
      expect([server, status]).toEqual([server, 200]);
    }
    const { status, body } = await instance.request("POST", "/smtpserver/a", {
      json: { ...rest, server: "mail.bucher.example:2525" },
    });
    expect([status, body.result.error?.message]).toEqual([400, expect.stringContaining("password")]);
  });
});

test("a host app's own name may be international", async () => {
  await using server = await startSmtpServer();
  const drivers = await openDrivers({ databaseUrl: ":memory:" });
  await using sealpost = createSealpost({ ...drivers, passwordCost: CHEAP, hostName: "app.bücher.example" });
  await sealpost.start();
  await sealpost.makeFirstAdmin({ username: "admin", password: "correct horse" });
  const login = await sealpost.app.request("/auth", {
    ...{ method: "POST", body: new URLSearchParams({ username: "admin", password: "correct horse" }) },
  });
  const { result } = (await login.json()) as {
    readonly result: { readonly value: { readonly token: string } };
  };
  await sealpost.app.request("/smtpserver/a", {
    method: "POST",
    headers: { Authorization: result.value.token },
    body: new URLSearchParams({ server: `127.0.0.1:${server.port}`, sender: "app@[192.0.2.1]" }),
  });
  await sealpost.submit("a", MESSAGE);
  await until(() => server.messages.length > 0, "the message arrives");
  const text = new TextDecoder().decode(server.messages[0]?.bytes);
  expect(text).toMatch(/\r\nMessage-ID: <\w+@app\.xn--bcher-kva\.example>\r\n/);
  expect(() => createSealpost({ ...drivers, hostName: "not a name" })).toThrow(/hostName/);
});
