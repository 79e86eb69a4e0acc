import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { reply, type SmtpTestServerOptions, startSmtpServer, when } from "../../../src/testing/smtp/index.ts";
import { RawClient } from "./client.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const CREDENTIALS = base64("\0us€r\0pä€ss");
const start = (options: SmtpTestServerOptions = {}) =>
  startSmtpServer({ users: { "us€r": "pä€ss" }, ...options });

describe("AUTH (RFC 4954)", () => {
  test("PLAIN: with an initial response, and without one", async () => {
    await using server = await start();
    using first = await RawClient.greet(server);
    expect(await first.ask(`AUTH PLAIN ${CREDENTIALS}`)).toStartWith("235 ");
    using second = await RawClient.greet(server);
    expect(await second.ask("AUTH PLAIN")).toBe("334 ");
    expect(await second.ask(CREDENTIALS)).toStartWith("235 ");
    await second.flight("MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n", 3);
    await second.ask("\r\n.");
    expect(server.messages).toMatchObject([{ isAuthenticated: true, username: "us€r", connection: 1 }]);
  });

  test("LOGIN: two challenges", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    expect(await client.ask("AUTH LOGIN")).toBe(`334 ${base64("Username:")}`);
    expect(await client.ask(base64("us€r"))).toBe(`334 ${base64("Password:")}`);
    expect(await client.ask(base64("pä€ss"))).toStartWith("235 ");
  });

  test("CRAM-MD5: the digest of the challenge", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    const challenge = Buffer.from((await client.ask("AUTH CRAM-MD5")).slice("334 ".length), "base64");
    const digest = createHmac("md5", "pä€ss").update(challenge).digest("hex");
    expect(await client.ask(base64(`us€r ${digest}`))).toStartWith("235 ");
  });

  test.each([
    ["a wrong password", [`AUTH PLAIN ${base64("\0us€r\0wrong")}`], "535 "],
    ["an unknown user", [`AUTH PLAIN ${base64("\0toString\0wrong")}`], "535 "],
    ["an unknown mechanism", ["AUTH NTLM"], "504 "],
    ["a canceled exchange", ["AUTH PLAIN", "*"], "501 "],
    ["a second AUTH", [`AUTH PLAIN ${CREDENTIALS}`, `AUTH PLAIN ${CREDENTIALS}`], "503 "],
    ["a command of 513 octets", [`AUTH PLAIN ${"A".repeat(500)}`], "500 5.5.6 "],
  ] as const)("rejects %s", async (_, lines, expected) => {
    await using server = await start();
    using client = await RawClient.greet(server);
    let last = "";
    for (const line of lines) last = await client.ask(line);
    expect(last).toStartWith(expected);
  });

  test("accepts a command of 512 octets", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    expect(await client.ask(`AUTH PLAIN ${"A".repeat(499)}`)).toStartWith("535 ");
  });

  test("a listed mechanism that the server does not know is rejected", async () => {
    await using server = await start({ mechanisms: ["XOAUTH2", "PLAIN"] });
    using client = await RawClient.connect(server);
    await client.read();
    expect(await client.ask("EHLO client.test")).toEndWith("250 AUTH XOAUTH2 PLAIN");
    expect(await client.ask("AUTH XOAUTH2")).toStartWith("504 ");
    expect(await client.ask("AUTH LOGIN")).toStartWith("504 ");
  });

  test("`auth` rejects a mechanism by its command, `credentials` after the last response", async () => {
    const script = {
      auth: when(/ PLAIN/, reply("534 5.7.9 Too weak")),
      credentials: reply("454 4.7.0 Later"),
    };
    await using server = await start({ script });
    using client = await RawClient.greet(server);
    expect(await client.ask(`AUTH PLAIN ${CREDENTIALS}`)).toStartWith("534 ");
    await client.ask("AUTH LOGIN");
    await client.ask(base64("us€r"));
    expect(await client.ask(base64("pä€ss"))).toStartWith("454 ");
  });

  test("writes 334 without text if the options say so", async () => {
    await using server = await start({ bareChallenges: true });
    using client = await RawClient.greet(server);
    expect(await client.ask("AUTH PLAIN")).toBe("334");
    expect(await client.ask(CREDENTIALS)).toStartWith("235 ");
  });
});

describe("access tokens", () => {
  const XOAUTH2 = (token: string) => base64(`user=us=r,\x01auth=Bearer ${token}\x01\x01`);
  const BEARER = (token: string) =>
    base64(`n,a=us=3Dr=2C,\x01host=mx.test\x01port=25\x01auth=Bearer ${token}\x01\x01`);
  const verifyToken = (username: string, token: string) => username === "us=r," && token === "good";
  const startForTokens = (options: SmtpTestServerOptions = {}) =>
    startSmtpServer({ verifyToken, ...options });

  test("are offered by XOAUTH2 and OAUTHBEARER, and passwords only for users", async () => {
    await using server = await startForTokens();
    using client = await RawClient.connect(server);
    await client.read();
    expect(await client.ask("EHLO client.test")).toEndWith("250 AUTH XOAUTH2 OAUTHBEARER");
    await using both = await startForTokens({ users: { a: "b" } });
    using other = await RawClient.connect(both);
    await other.read();
    expect(await other.ask("EHLO client.test")).toEndWith(
      "250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER",
    );
  });

  for (const [mechanism, response, dummy] of [
    ["XOAUTH2", XOAUTH2, ""],
    ["OAUTHBEARER", BEARER, "AQ=="],
  ] as const) {
    test(`${mechanism}: accepted with an initial response, and without one`, async () => {
      await using server = await startForTokens();
      using first = await RawClient.greet(server);
      expect(await first.ask(`AUTH ${mechanism} ${response("good")}`)).toStartWith("235 ");
      using second = await RawClient.greet(server);
      expect(await second.ask(`AUTH ${mechanism}`)).toBe("334 ");
      expect(await second.ask(response("good"))).toStartWith("235 ");
      const accepted = { mechanism, username: "us=r,", isAccepted: true };
      expect(server.logins).toEqual([
        { ...accepted, connection: 0 },
        { ...accepted, connection: 1 },
      ]);
    });

    test(`${mechanism}: rejected by a challenge in JSON, to which the client has to respond`, async () => {
      await using server = await startForTokens();
      using client = await RawClient.greet(server);
      const challenge = (await client.ask(`AUTH ${mechanism} ${response("bad")}`)).slice("334 ".length);
      expect(JSON.parse(Buffer.from(challenge, "base64").toString())).toHaveProperty("status");
      expect(server.logins).toEqual([]);
      expect(await client.ask(dummy)).toStartWith("535 5.7.8 ");
      await client.ask(`AUTH ${mechanism} ${response("bad")}`);
      expect(await client.ask("QUIT")).toStartWith("501 ");
      expect(server.logins.map(({ isAccepted }) => isAccepted)).toEqual([false, false]);
    });

    test(`${mechanism}: rejected by a reply, as Microsoft 365 does`, async () => {
      await using server = await startForTokens({ tokenRejection: "reply" });
      using client = await RawClient.greet(server);
      expect(await client.ask(`AUTH ${mechanism} ${response("bad")}`)).toStartWith("535 5.7.3 ");
    });
  }

  test.each([
    ["no end", base64("user=us=r,\x01auth=Bearer good\x01")],
    ["no username", base64("user=\x01auth=Bearer good\x01\x01")],
    ["another field", base64("user=us=r,\x01host=x\x01auth=Bearer good\x01\x01")],
    ["a control character in the token", XOAUTH2("go\x01od")],
  ])("a response with %s cannot be read", async (_, response) => {
    await using server = await startForTokens();
    using client = await RawClient.greet(server);
    expect(await client.ask(`AUTH XOAUTH2 ${response}`)).toStartWith("501 ");
  });

  test("a response of more than 12,288 octets is rejected", async () => {
    await using server = await startForTokens();
    using client = await RawClient.greet(server);
    await client.ask("AUTH XOAUTH2");
    expect(await client.ask("A".repeat(12_287))).toStartWith("500 5.5.6 ");
  });
});

test("a script decides whether a login counts as accepted", async () => {
  await using server = await start({ script: { credentials: reply("454 4.7.0 Later") } });
  using client = await RawClient.greet(server);
  await client.ask(`AUTH PLAIN ${CREDENTIALS}`);
  server.connections[0]?.script("credentials", undefined);
  await client.ask(`AUTH PLAIN ${CREDENTIALS}`);
  expect(server.logins.map(({ isAccepted }) => isAccepted)).toEqual([false, true]);
});
