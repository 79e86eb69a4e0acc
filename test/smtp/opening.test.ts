import { describe, expect, test } from "bun:test";
import type { Checkpoint } from "../../src/domain/delivery.ts";
import type { ConversationOptions } from "../../src/smtp/conversation.ts";
import { LOGIN, Played } from "./support.ts";

const EHLO = "EHLO client.test";
const PLAIN = `AUTH PLAIN ${Buffer.from("\0user\0a password").toString("base64")}`;
const [USERNAME, PASSWORD] = [LOGIN.username, LOGIN.password].map((text) =>
  Buffer.from(text).toString("base64"),
) as [string, string];
const LOGIN_LINES = ["AUTH LOGIN", USERNAME, PASSWORD];
const UNDER_TLS = { security: "implicit", login: LOGIN } as const;

interface Row {
  readonly what: string;
  readonly options?: Partial<ConversationOptions>;
  readonly until?: Checkpoint;
  readonly replies: readonly string[];
  readonly written: readonly string[];
  readonly result: string;
}

function play({ options, until, replies }: Row): Played {
  const played = new Played(options);
  played.apply(played.conversation.open(until));
  expect(played.written).toEqual([]);
  return played.receive(...replies);
}

const ROWS: readonly Row[] = [
  {
    what: "without a login ends after EHLO",
    replies: ["220 mx", "250 mx"],
    written: [EHLO],
    result: "successful",
  },
  {
    what: "with STARTTLS sends EHLO again, and discards the first list (RFC 3207 4.2)",
    options: { security: "starttls", login: LOGIN },
    replies: ["220 mx", "250-mx\n250-AUTH PLAIN\n250 STARTTLS", "220 go", "250 mx"],
    written: [EHLO, "STARTTLS", EHLO],
    result: "auth auth_not_offered not-sent",
  },
  {
    what: "fails if STARTTLS is wanted and not offered",
    options: { security: "starttls", login: LOGIN },
    replies: ["220 mx", "250-mx STARTTLS\n250 AUTH PLAIN"],
    written: [EHLO],
    result: "starttls tls_not_offered not-sent",
  },
  {
    what: "sends HELO to a server without EHLO",
    replies: ["220 mx", "502 What", "250 mx"],
    written: [EHLO, "HELO client.test"],
    result: "successful",
  },
  {
    what: "does not send HELO after a 421",
    replies: ["220 mx", "421 Closing"],
    written: [EHLO],
    result: "ehlo rate_limited not-sent",
  },
  {
    what: "reads the first line of a reply to EHLO as a greeting",
    options: UNDER_TLS,
    replies: ["220 mx", "250-mx AUTH PLAIN LOGIN\n250 X-AUTH PLAIN"],
    written: [EHLO],
    result: "auth auth_not_offered not-sent",
  },
  {
    what: "does not respond to a 334 with text in AUTH PLAIN, and writes nothing more",
    options: UNDER_TLS,
    replies: ["220 mx", "250-mx\n250 AUTH PLAIN", "334 more"],
    written: [EHLO, PLAIN],
    result: "auth protocol not-sent",
  },
  {
    what: "logs in after a 334 without text",
    options: UNDER_TLS,
    replies: ["220 mx", "250-mx\n250 auth=login", "334", "334", "235"],
    written: [EHLO, ...LOGIN_LINES],
    result: "successful",
  },
  {
    what: "uses the mechanism of the definition",
    options: { ...UNDER_TLS, authMechanism: "login" },
    replies: ["220 mx", "250-mx\n250 AUTH PLAIN LOGIN", "334 VQ==", "334 UA==", "235 ok"],
    written: [EHLO, ...LOGIN_LINES],
    result: "successful",
  },
  {
    what: "uses no other mechanism than that of the definition",
    options: { ...UNDER_TLS, authMechanism: "login" },
    replies: ["220 mx", "250-mx\n250 AUTH PLAIN CRAM-MD5"],
    written: [EHLO],
    result: "auth auth_not_offered not-sent",
  },
  ...[500, 502, 504, 534].flatMap((code): readonly Row[] => [
    {
      what: `uses LOGIN after a ${code} to PLAIN`,
      options: UNDER_TLS,
      replies: [
        "220 mx",
        "250-mx\n250 AUTH LOGIN PLAIN",
        `${code} 5.7.4 No`,
        "334 VQ==",
        "334 UA==",
        "235 ok",
      ],
      written: [EHLO, PLAIN, ...LOGIN_LINES],
      result: "successful",
    },
    {
      what: `uses PLAIN in clear text after a ${code} to CRAM-MD5`,
      options: { login: LOGIN },
      replies: ["220 mx", "250-mx\n250 AUTH PLAIN CRAM-MD5", `${code} No`, "235 ok"],
      written: [EHLO, "AUTH CRAM-MD5", PLAIN],
      result: "successful",
    },
    {
      what: `uses each mechanism once, and fails as auth_not_offered if all are rejected with ${code}`,
      options: UNDER_TLS,
      replies: ["220 mx", "250-mx\n250 AUTH LOGIN PLAIN", `${code} No`, `${code} No`],
      written: [EHLO, PLAIN, "AUTH LOGIN"],
      result: "auth auth_not_offered not-sent",
    },
  ]),
  ...[432, 454, 501, 530, 535, 538].map(
    (code): Row => ({
      what: `uses no other mechanism after a ${code}, which could lock the account`,
      options: UNDER_TLS,
      replies: ["220 mx", "250-mx\n250 AUTH LOGIN PLAIN", `${code} No`],
      written: [EHLO, PLAIN],
      result: expect.stringMatching(/^auth \w+ not-sent$/),
    }),
  ),
  ...(["250 injected", "25", "\r"] as const).map(
    (injected): Row => ({
      what: `fails if ${JSON.stringify(injected)} follows the 220 to STARTTLS in clear text`,
      options: { security: "starttls", login: LOGIN },
      replies: ["220 mx", "250-mx\n250 STARTTLS", `220 go\n${injected}`],
      written: [EHLO, "STARTTLS"],
      result: "starttls protocol not-sent",
    }),
  ),
  {
    what: "until connect ends after the first EHLO",
    options: { security: "starttls", login: LOGIN },
    until: "connect",
    replies: ["220 mx", "250-mx\n250 STARTTLS"],
    written: [EHLO],
    result: "successful",
  },
  {
    what: "until tls ends after the second EHLO",
    options: { security: "starttls", login: LOGIN },
    until: "tls",
    replies: ["220 mx", "250-mx\n250 STARTTLS", "220 go", "250-mx\n250 AUTH PLAIN"],
    written: [EHLO, "STARTTLS", EHLO],
    result: "successful",
  },
];

describe("opening a connection", () => {
  for (const row of ROWS) {
    test(row.what, () => {
      const played = play(row);
      expect(played.written).toEqual([...row.written]);
      expect(played.result).toEqual(row.result);
      expect(played.wait.for).toBe("nothing");
    });
  }

  test("sends a response of more than 512 octets on its own line", () => {
    const login = { username: "u", password: "p".repeat(600) };
    const played = play({
      what: "",
      options: { ...UNDER_TLS, login },
      written: [],
      result: "",
      replies: ["220 mx", "250-mx\n250 AUTH PLAIN", "334 ", "235 ok"],
    });
    const response = Buffer.from(`\0u\0${login.password}`).toString("base64");
    expect(played.written).toEqual([EHLO, "AUTH PLAIN", response]);
  });

  test("does not write QUIT while the server waits for a response", () => {
    const replies = ["220 mx", "250-mx\n250 AUTH PLAIN", "334 more"];
    const played = play({ what: "", options: UNDER_TLS, replies, written: [], result: "" });
    expect(played.conversation.mustHangUp).toBe(true);
    expect(played.conversation.quit().write).toBeNull();
  });

  test("writes credentials only after EHLO under TLS", () => {
    const options = { security: "starttls", login: LOGIN } as const;
    const replies = ["220 mx", "250-mx\n250-AUTH PLAIN\n250 STARTTLS", "220 go"];
    const played = play({ what: "", options, replies, written: [], result: "" });
    expect(played.wait).toEqual({ for: "tls" });
    expect(played.written).toEqual([EHLO, "STARTTLS"]);
    played.receive("250-mx\n250 AUTH PLAIN");
    expect(played.written.at(-1)).toBe(PLAIN);
  });
});
