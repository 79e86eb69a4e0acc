import { describe, expect, test } from "bun:test";
import type { Checkpoint } from "../../src/domain/delivery.ts";
import type { ConversationOptions } from "../../src/smtp/conversation.ts";
import { LOGIN, Played, TOKEN_LOGIN } from "./support.ts";

const EHLO = "EHLO client.test";
const PLAIN = `AUTH PLAIN ${Buffer.from("\0user\0a password").toString("base64")}`;
const [USERNAME, PASSWORD] = [LOGIN.username, LOGIN.secret].map((text) =>
  Buffer.from(text).toString("base64"),
) as [string, string];
const LOGIN_LINES = ["AUTH LOGIN", USERNAME, PASSWORD];
const UNDER_TLS = { security: "implicit", login: LOGIN } as const;

const EHLO_REPLY = "250-mx\n250 AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2";
const BY_TOKEN = { security: "implicit", login: TOKEN_LOGIN } as const;
const base64 = (text: string) => Buffer.from(text).toString("base64");
const XOAUTH2 = `AUTH XOAUTH2 ${base64("user=user\x01auth=Bearer a.token\x01\x01")}`;
const OAUTHBEARER = `AUTH OAUTHBEARER ${base64("n,a=user,\x01host=mx.test\x01port=587\x01auth=Bearer a.token\x01\x01")}`;
const REJECTION = `334 ${base64('{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}')}`;

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
    options: { ...UNDER_TLS, login: { ...LOGIN, mechanism: "login" } },
    replies: ["220 mx", "250-mx\n250 AUTH PLAIN LOGIN", "334 VQ==", "334 UA==", "235 ok"],
    written: [EHLO, ...LOGIN_LINES],
    result: "successful",
  },
  {
    what: "uses no other mechanism than that of the definition",
    options: { ...UNDER_TLS, login: { ...LOGIN, mechanism: "login" } },
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

const TOKEN_ROWS: readonly Row[] = [
  {
    what: "prefers XOAUTH2 for an access token",
    options: BY_TOKEN,
    replies: ["220 mx", EHLO_REPLY, "235 ok"],
    written: [EHLO, XOAUTH2],
    result: "successful",
  },
  {
    what: "uses OAUTHBEARER if XOAUTH2 is not offered",
    options: BY_TOKEN,
    replies: ["220 mx", "250-mx\n250 AUTH PLAIN OAUTHBEARER", "235 ok"],
    written: [EHLO, OAUTHBEARER],
    result: "successful",
  },
  {
    what: "uses the mechanism of the definition for an access token",
    options: { ...BY_TOKEN, login: { ...TOKEN_LOGIN, mechanism: "oauthbearer" } },
    replies: ["220 mx", EHLO_REPLY, "235 ok"],
    written: [EHLO, OAUTHBEARER],
    result: "successful",
  },
  {
    what: "sends an access token by no mechanism for passwords",
    options: BY_TOKEN,
    replies: ["220 mx", "250-mx\n250 AUTH PLAIN LOGIN CRAM-MD5"],
    written: [EHLO],
    result: "auth auth_not_offered not-sent",
  },
  {
    what: "sends a password by no mechanism for access tokens",
    options: UNDER_TLS,
    replies: ["220 mx", "250-mx\n250 AUTH XOAUTH2 OAUTHBEARER"],
    written: [EHLO],
    result: "auth auth_not_offered not-sent",
  },
  {
    what: "sends no access token in clear text",
    options: { login: TOKEN_LOGIN },
    replies: ["220 mx", EHLO_REPLY],
    written: [EHLO],
    result: "auth tls_required not-sent",
  },
  ...["a\x01token", "a\r\ntoken", "a\0token", "tök", "", "t".repeat(9_200)].map(
    (secret): Row => ({
      what: `sends no access token of ${secret.length} characters: ${JSON.stringify(secret.slice(0, 10))}`,
      options: { ...BY_TOKEN, login: { ...TOKEN_LOGIN, secret } },
      replies: ["220 mx", EHLO_REPLY],
      written: [EHLO],
      result: "auth auth_rejected not-sent",
    }),
  ),
  ...["a\x01b", "a\r\nb", "a\0b"].map(
    (username): Row => ({
      what: `sends no access token for the username ${JSON.stringify(username)}`,
      options: { ...BY_TOKEN, login: { ...TOKEN_LOGIN, username } },
      replies: ["220 mx", EHLO_REPLY],
      written: [EHLO],
      result: "auth auth_rejected not-sent",
    }),
  ),
  {
    what: "sends a long access token on its own line, and no other form after a 501",
    options: { ...BY_TOKEN, login: { ...TOKEN_LOGIN, secret: "t".repeat(2_000) } },
    replies: ["220 mx", "250-mx\n250 AUTH XOAUTH2 PLAIN", "501 5.5.4 No"],
    written: [EHLO, "AUTH XOAUTH2"],
    result: "auth auth_rejected not-sent",
  },
  {
    what: "uses OAUTHBEARER after a 504 to XOAUTH2",
    options: BY_TOKEN,
    replies: ["220 mx", EHLO_REPLY, "504 5.7.4 No", "235 ok"],
    written: [EHLO, XOAUTH2, OAUTHBEARER],
    result: "successful",
  },
  {
    what: "writes an empty line after XOAUTH2 was rejected by a challenge",
    options: BY_TOKEN,
    replies: ["220 mx", EHLO_REPLY, REJECTION, "535 5.7.8 No"],
    written: [EHLO, XOAUTH2, ""],
    result: "auth auth_rejected not-sent",
  },
  {
    what: "writes one separator after OAUTHBEARER was rejected by a challenge (RFC 7628 3.2.3)",
    options: { ...BY_TOKEN, login: { ...TOKEN_LOGIN, mechanism: "oauthbearer" } },
    replies: ["220 mx", EHLO_REPLY, REJECTION, "535 5.7.8 No"],
    written: [EHLO, OAUTHBEARER, "AQ=="],
    result: "auth auth_rejected not-sent",
  },
  ...[500, 504].map(
    (code): Row => ({
      what: `uses no other mechanism if a ${code} ends a rejection by challenge`,
      options: BY_TOKEN,
      replies: ["220 mx", EHLO_REPLY, REJECTION, `${code} What`],
      written: [EHLO, XOAUTH2, ""],
      result: "auth auth_rejected not-sent",
    }),
  ),
  {
    what: "responds to one challenge after an access token, and writes nothing more",
    options: BY_TOKEN,
    replies: ["220 mx", EHLO_REPLY, REJECTION, REJECTION],
    written: [EHLO, XOAUTH2, ""],
    result: "auth auth_rejected not-sent",
  },
];

describe("opening a connection", () => {
  for (const row of [...ROWS, ...TOKEN_ROWS]) {
    test(row.what, () => {
      const played = play(row);
      expect(played.written).toEqual([...row.written]);
      expect(played.result).toEqual(row.result);
      expect(played.wait.for).toBe("nothing");
    });
  }

  test("sends a response of more than 512 octets on its own line", () => {
    const login = { ...LOGIN, username: "u", secret: "p".repeat(600) };
    const played = play({
      what: "",
      options: { ...UNDER_TLS, login },
      written: [],
      result: "",
      replies: ["220 mx", "250-mx\n250 AUTH PLAIN", "334 ", "235 ok"],
    });
    const response = Buffer.from(`\0u\0${login.secret}`).toString("base64");
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

describe("the challenge that rejects an access token", () => {
  const failureAfter = (challenge: string, last: string | null = "535 5.7.8 Not accepted") => {
    const played = new Played({ ...BY_TOKEN, redact: (text) => text.replaceAll("a.token", "[secret]") });
    played.apply(played.conversation.open());
    played.receive("220 mx", EHLO_REPLY, `334 ${base64(challenge)}`);
    if (last === null) played.conversation.lost("closed");
    else played.receive(last);
    const { result } = played.conversation;
    return result?.successful === false ? result.failure : null;
  };
  const GOOGLE = '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}';
  const KEPT = { status: "400", schemes: "Bearer", scope: "https://mail.google.com/" };

  test("is kept with the final reply", () => {
    expect(failureAfter(GOOGLE)).toMatchObject({
      ...{ phase: "auth", code: "auth_rejected", retryable: false, challenge: KEPT },
      reply: { code: 535, enhanced: "5.7.8", text: "Not accepted" },
    });
  });

  test("decides if the server hangs up instead of a final reply", () => {
    expect(failureAfter(GOOGLE, null)).toMatchObject({ code: "auth_rejected", reply: null, challenge: KEPT });
  });

  test("keeps texts and numbers, without secrets and control characters, within bounds", () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`m${index}`, index]));
    const given = { status: 401, error: "bad a.token\u0000!", more: { a: 1 }, on: true, "b d": "x", ...many };
    const { challenge } = failureAfter(JSON.stringify(given)) ?? {};
    expect(Object.entries(challenge ?? {}).slice(0, 3)).toEqual([
      ["status", "401"],
      ["error", "bad [secret] !"],
      ["m0", "0"],
    ]);
    expect(Object.keys(challenge ?? {})).toHaveLength(10);
  });

  for (const challenge of ["not JSON", "[]", "null", "{}", `{"status":"${"4".repeat(5_000)}"}`]) {
    test(`keeps nothing of ${challenge.slice(0, 20)}`, () => {
      const failure = failureAfter(challenge);
      expect(failure).toMatchObject({ code: "auth_rejected", reply: { code: 535 } });
      expect(failure).not.toHaveProperty("challenge");
    });
  }
});
