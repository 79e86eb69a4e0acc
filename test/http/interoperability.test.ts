import { describe, expect, test } from "bun:test";
import {
  reply,
  type Script,
  type SmtpTestServerOptions,
  startSmtpServer,
} from "../../src/testing/smtp/index.ts";
import { testInstance } from "../fixtures/instance.ts";
import { makeTransport } from "../transport/support.ts";

const USER = { username: "app@example.org", password: "pass word" };
const USERS = { [USER.username]: USER.password };
/** Octets of base64 in AUTH PLAIN with the longest password of the API. They exceed the maximum length of a line. */
const LONG_USER = { username: `${"u".repeat(140)}@example.org`, password: "p".repeat(245) };

/** Sends this reply to the first AUTH, and a correct one to the next. */
function onlyFirst(line: string): Script {
  let isFirst = true;
  return {
    auth(peer, proceed) {
      if (isFirst) peer.write(`${line}\r\n`);
      else proceed();
      isFirst = false;
    },
  };
}

interface Row {
  readonly what: string;
  readonly server: SmtpTestServerOptions;
  readonly body?: object;
  /** The AUTH commands that the server received, without credentials. */
  readonly auth?: readonly string[];
}

const ROWS: readonly Row[] = [
  ...[500, 502, 504, 534].map(
    (code): Row => ({
      what: `that lists PLAIN and replies ${code} to it`,
      server: { users: USERS, mechanisms: ["LOGIN", "PLAIN"], script: onlyFirst(`${code} 5.7.4 Unknown`) },
      ...{ body: USER, auth: ["AUTH PLAIN", "AUTH LOGIN"] },
    }),
  ),
  ...[500, 502, 504, 534].map(
    (code): Row => ({
      what: `that lists CRAM-MD5 and replies ${code} to it`,
      server: { users: USERS, script: onlyFirst(`${code} 5.7.4 Unknown`) },
      ...{ body: USER, auth: ["AUTH CRAM-MD5", "AUTH PLAIN"] },
    }),
  ),
  {
    what: "that takes no AUTH line over 512 octets",
    server: { users: { [LONG_USER.username]: LONG_USER.password }, mechanisms: ["PLAIN"] },
    ...{ body: LONG_USER, auth: ["AUTH PLAIN"] },
  },
  {
    what: "that writes 334 without a text",
    server: {
      ...{ users: { [LONG_USER.username]: LONG_USER.password }, mechanisms: ["PLAIN"] },
      bareChallenges: true,
    },
    ...{ body: LONG_USER, auth: ["AUTH PLAIN"] },
  },
  { what: "that lists SIZE 20MB", server: { extensions: ["SIZE 20MB"] } },
  { what: "that lists SIZE 20 MB", server: { extensions: ["SIZE 20 MB"] } },
  { what: "that lists X-MAX-SIZE 10", server: { extensions: ["X-MAX-SIZE 10"] } },
  {
    what: "that lists keywords in lower case",
    server: { extensions: ["pipelining", "8bitmime", "size 90000"] },
  },
  {
    what: "that greets EHLO with SIZE 10",
    server: { script: { ehlo: reply("250-mx at your SIZE 10 service", "250 8BITMIME") } },
  },
  {
    what: "that greets EHLO with PIPELINING",
    server: { script: { ehlo: reply("250-mx gateway, no PIPELINING here", "250 8BITMIME") } },
  },
  {
    what: "that lists AUTH=LOGIN",
    server: { users: USERS, script: { ehlo: reply("250-mx", "250 AUTH=LOGIN") } },
    ...{ body: USER, auth: ["AUTH LOGIN"] },
  },
];

describe("a test message arrives at a server", () => {
  for (const { what, server: options, body = {}, auth = [] } of ROWS) {
    test(what, async () => {
      await using server = await startSmtpServer(options);
      await using transport = makeTransport();
      await using instance = await testInstance({ transport });
      const { value, detail } = await instance.request("POST", "/smtpserver/send_test_email", {
        json: {
          ...{ identifier: "", server: `localhost:${server.port}`, timeout: 3 },
          ...{ sender: "app@example.org", recipient: "ann@example.net", ...body },
        },
      });
      expect(value, JSON.stringify(detail?.delivery)).toBe(true);
      expect(server.messages).toHaveLength(1);
      const commands = server.connections.flatMap((connection) => connection.commands);
      const lines = commands.filter((line) => line.startsWith("AUTH"));
      expect(lines.map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([...auth]);
    });
  }

  test("without a second mechanism after a 535, which could lock the account", async () => {
    await using server = await startSmtpServer({ users: USERS });
    await using transport = makeTransport();
    await using instance = await testInstance({ transport });
    const { value } = await instance.request("POST", "/smtpserver/send_test_email", {
      json: {
        ...{ identifier: "", server: `localhost:${server.port}`, timeout: 3, ...USER, password: "wrong" },
        ...{ sender: "app@example.org", recipient: "ann@example.net" },
      },
    });
    expect(value).toBe(false);
    const commands = server.connections.flatMap((connection) => connection.commands);
    expect(commands.filter((line) => line.startsWith("AUTH"))).toEqual(["AUTH CRAM-MD5"]);
  });
});
