import { describe, expect, test } from "bun:test";
import type { TransactionOptions } from "../../src/smtp/transaction.ts";
import { MESSAGE, OPTIONS, openPlayed, type Played } from "./support.ts";

const ALL = ["PIPELINING", "CHUNKING", "SIZE 100000", "8BITMIME", "SMTPUTF8"];
const MAIL = "MAIL FROM:<a@example.org>";
const RCPT = "RCPT TO:<b@example.net>";
const BODY = ["Subject: Hello", "", ".dot"];
const STUFFED = ["Subject: Hello", "", "..dot", "."];
const OK = "250 Ok";
const NO = "550 5.1.1 No";
const IN_LOCKSTEP = { pipelining: "off" } as const;
const BY_DATA = { mayUseBdat: false } as const;

function transact(keywords: readonly string[], options: Partial<TransactionOptions> = {}): Played {
  const played = openPlayed(keywords);
  return played.apply(played.conversation.transact(MESSAGE, { ...OPTIONS, ...options }));
}

describe("one write", () => {
  test("is one command in lockstep, and dots are doubled", () => {
    const played = transact(ALL, IN_LOCKSTEP);
    const steps = [[`${MAIL} SIZE=24`], [RCPT], ["DATA"], STUFFED];
    for (const step of steps) {
      expect(played.written.splice(0)).toEqual(step);
      played.receive(step[0] === "DATA" ? "354 go" : OK);
    }
    expect(played.result).toBe("successful");
    expect(played.conversation.roundTrips).toBe(2 + 4);
  });

  test("is MAIL, RCPT and DATA with PIPELINING, then the message", () => {
    const played = transact(["PIPELINING"]);
    expect(played.written.splice(0)).toEqual([MAIL, RCPT, "DATA"]);
    played.receive(OK, `${OK}\n354 go`);
    expect(played.written).toEqual(STUFFED);
    expect(played.receive(OK).result).toBe("successful");
    expect(played.conversation.roundTrips).toBe(2 + 2);
  });

  test("is MAIL, RCPT and the message by BDAT with CHUNKING under TLS, without dot-stuffing", () => {
    const played = transact(ALL);
    expect(played.written).toEqual([`${MAIL} SIZE=24`, RCPT, "BDAT 24 LAST", ...BODY]);
    expect(played.receive(OK, `${OK}\n${OK}`).result).toBe("successful");
    expect(played.conversation.roundTrips).toBe(2 + 1);
  });

  test("is not BDAT in clear text", () => {
    const played = openPlayed(ALL, { security: "none" });
    played.apply(played.conversation.transact(MESSAGE, OPTIONS));
    expect(played.written.at(-1)).toBe("DATA");
  });

  test("counts octets, not characters", () => {
    const played = openPlayed(ALL);
    const bytes = new TextEncoder().encode("ä€\r\n");
    played.apply(played.conversation.transact({ ...MESSAGE, bytes, eightBit: true }, OPTIONS));
    expect(played.written.slice(0, 3)).toEqual([`${MAIL} BODY=8BITMIME SIZE=7`, RCPT, "BDAT 7 LAST"]);
  });

  test("is a piece of 64 KiB of a long message, and the end only after the socket has taken it", () => {
    const played = openPlayed([]);
    const bytes = new TextEncoder().encode("A line of a long message\r\n".repeat(5_000));
    played.apply(played.conversation.transact({ ...MESSAGE, bytes }, OPTIONS));
    played.receive(OK, OK, "354 go");
    const pieces: number[] = [];
    while (played.wait.for === "drain") {
      expect(played.conversation.isEndWritten).toBe(false);
      const turn = played.conversation.drained();
      pieces.push(turn.write?.length ?? 0);
      played.apply(turn);
    }
    expect(pieces).toEqual([bytes.length + 3 - 65_536 - 16_384, 16_384]);
    expect(played.receive(OK).result).toBe("successful");
  });
});

interface Row {
  readonly what: string;
  readonly options?: Partial<TransactionOptions>;
  /** Chunks from the server. */
  readonly replies: readonly string[];
  readonly isLost?: true;
  readonly result: string;
  readonly is?: "ready" | "to be closed with QUIT" | "to be hung up";
}

const UNKNOWN_LOSS = "data closed unknown";
const OUT_OF_STEP = "data protocol unknown";

/** Replies to a whole flight, and one more. */
const ONCE = `${OK}\n${OK}\n${OK}`;
const TWICE = `${ONCE}\n${OK}`;

const BDAT_ROWS: readonly Row[] = [
  { what: "nothing", replies: [], isLost: true, result: UNKNOWN_LOSS },
  { what: "250 to MAIL and RCPT", replies: [OK, OK], isLost: true, result: UNKNOWN_LOSS },
  {
    what: "550 to RCPT",
    replies: [OK, NO],
    isLost: true,
    result: "recipient recipient_rejected not-sent",
  },
  { what: "550 to MAIL", replies: ["550 5.7.1 No"], isLost: true, result: "sender sender_rejected not-sent" },
  { what: "503 to MAIL", replies: ["503 Sender given"], isLost: true, result: UNKNOWN_LOSS },
  {
    what: "503 to MAIL and to RCPT",
    replies: ["503 No", "503 No"],
    isLost: true,
    result: "sender protocol not-sent",
  },
  { what: "421 to RCPT", replies: [OK, "421 Closing"], result: "recipient rate_limited not-sent" },
  { what: "421 to BDAT", replies: [OK, OK, "421 Closing"], result: "data rate_limited not-sent" },
  { what: "a 354 to RCPT", replies: [OK, "354 go"], result: OUT_OF_STEP, is: "to be hung up" },
  { what: "no SMTP", replies: [OK, "HTTP/1.1 400"], result: OUT_OF_STEP, is: "to be hung up" },
  {
    what: "550 to RCPT and 250 to BDAT",
    replies: [OK, NO, OK],
    result: OUT_OF_STEP,
    is: "to be closed with QUIT",
  },
  {
    what: "550 to RCPT and 503 to BDAT",
    replies: [OK, NO, "503 No"],
    result: "recipient recipient_rejected not-sent",
    is: "to be closed with QUIT",
  },
  {
    what: "550 to RCPT and 503 to BDAT of a server that resets",
    replies: [OK, NO, "503 No"],
    result: "recipient recipient_rejected not-sent",
    options: { survivesRejection: true },
    is: "ready",
  },
  {
    what: "554 to BDAT",
    replies: [OK, OK, "554 No"],
    result: "data content_rejected not-sent",
    is: "to be closed with QUIT",
  },
  { what: "250 to all", replies: [`${OK}\n${OK}\n${OK}`], result: "successful", is: "ready" },
  {
    what: "250 to all and a further 250, and 221 to QUIT",
    replies: [TWICE, "221 Bye"],
    result: "successful",
    is: "to be hung up",
  },
  {
    what: "250 to all, further 250s, one of them later, and 221 to QUIT",
    replies: [`${TWICE}\n${OK}`, OK, "221 Bye\n221 Bye"],
    result: "successful",
    is: "to be hung up",
  },
  { what: "250 to all and a further 250, then 550", replies: [TWICE, NO], result: OUT_OF_STEP },
  {
    what: "250 to all and a further 250, then 550 and 221",
    replies: [TWICE, `${NO}\n221`],
    result: OUT_OF_STEP,
  },
  { what: "250 to all and a further 250, then no SMTP", replies: [TWICE, "HTTP/1.1"], result: OUT_OF_STEP },
  { what: "250 to all and a further 250", replies: [TWICE], isLost: true, result: UNKNOWN_LOSS },
  { what: "250 to all and a further 250, then 421", replies: [TWICE, "421 Closing"], result: OUT_OF_STEP },
  {
    what: "250 to all, a further 250 and a 421",
    replies: [`${TWICE}\n421 Closing`],
    result: OUT_OF_STEP,
    is: "to be hung up",
  },
  {
    what: "250 to all and no SMTP",
    replies: [`${ONCE}\nHTTP/1.1`],
    result: OUT_OF_STEP,
    is: "to be hung up",
  },
  {
    what: "250 to all and a 421",
    replies: [`${OK}\n${OK}\n${OK}\n421 Closing`],
    result: "successful",
    is: "to be hung up",
  },
  {
    what: "250 to all and a further 550",
    replies: [`${OK}\n${OK}\n${OK}\n${NO}`],
    result: OUT_OF_STEP,
    is: "to be hung up",
  },
];

const DATA_ROWS: readonly Row[] = [
  { what: "nothing", replies: [OK, OK, "354 go"], isLost: true, result: UNKNOWN_LOSS },
  { what: "no 354", replies: [OK, OK], isLost: true, result: "data closed not-sent" },
  {
    what: "a 250 together with the 354",
    replies: [`${OK}\n${OK}\n354 go\n${OK}`],
    result: "data protocol not-sent",
    is: "to be hung up",
  },
  {
    what: "the start of a reply together with the 354",
    replies: [`${OK}\n${OK}\n354 go\n250-more`],
    result: "data protocol not-sent",
    is: "to be hung up",
  },
  {
    what: "a 552 together with the 354",
    replies: [`${OK}\n${OK}\n354 go\n552 5.3.4 Too big`],
    result: "data too_large not-sent",
  },
  {
    what: "a 354 after a rejected RCPT",
    replies: [OK, NO, "354 go"],
    result: "recipient recipient_rejected not-sent",
    is: "to be hung up",
  },
  { what: "a 354 to the message", replies: [OK, OK, "354 go", "354 go"], result: OUT_OF_STEP },
  {
    what: "a 421 together with the 250 to the message",
    replies: [OK, OK, "354 go", `${OK}\n421 Closing`],
    result: "successful",
    is: "to be hung up",
  },
  {
    what: "a 550 together with the 250 to the message",
    replies: [OK, OK, "354 go", `${OK}\n${NO}`],
    result: OUT_OF_STEP,
    is: "to be hung up",
  },
];

for (const [how, options, rows] of [
  ["BDAT in one flight", {}, BDAT_ROWS],
  ["DATA", BY_DATA, DATA_ROWS],
] as const) {
  describe(`a message by ${how} that gets`, () => {
    for (const { what, options: more, replies, isLost, result, is } of rows) {
      test(`${what}${isLost ? ", then a lost connection," : ""} is reported as ${result}`, () => {
        const played = transact(ALL, { ...options, ...more }).receive(...replies);
        if (isLost) played.conversation.lost("closed");
        expect(played.result).toBe(result);
        if (is === undefined) return;
        const { isReady, mustHangUp } = played.conversation;
        expect(isReady ? "ready" : mustHangUp ? "to be hung up" : "to be closed with QUIT").toBe(is);
      });
    }
  });
}

describe("after more replies than commands of a flight by BDAT, of which any may be the one to BDAT,", () => {
  for (const [what, replies] of [
    ["a whole one", TWICE],
    ["half of one", `${ONCE}\n250-Half`],
  ] as const) {
    test(`${what}, QUIT is written, whose 221 follows all others`, () => {
      const played = transact(ALL);
      played.written.length = 0;
      played.receive(replies);
      expect([played.result, played.written]).toEqual([null, ["QUIT"]]);
      played.receive("250 Ok");
      expect(played.result).toBe(null);
      expect(played.receive("221 Bye").result).toBe("successful");
      expect(played.conversation.roundTrips).toBe(2 + 2);
    });
  }

  test("a 421 that a chunk border cuts is the end of the session, and the message is accepted", () => {
    for (const [first, second] of [
      ["4", "21 4.3.2 Shutting down"],
      ["421", " 4.3.2 Shutting down"],
      ["421-4.3.2 Shutting", " down\n421 Bye"],
      ["421-4.3.2 Shutting down\n", "421 Bye"],
    ]) {
      const played = transact(ALL);
      played.apply(played.conversation.receive(Buffer.from(`${ONCE}\n${first}`.replaceAll("\n", "\r\n"))));
      expect(played.receive(second ?? "").result).toBe("successful");
      expect(played.conversation.mustHangUp).toBe(true);
      expect(played.conversation.session.learned.endangersBdat).toBe(false);
    }
  });

  test("a 421 that is not the first of them leaves the outcome unknown", () => {
    const played = transact(ALL).receive(`${ONCE}\n250-Half`, "250 Ok");
    expect(played.receive("421 4.3.2 Shutting down").result).toBe(OUT_OF_STEP);
    expect(transact(ALL).receive(TWICE, "421 4.3.2 Shutting down").result).toBe(OUT_OF_STEP);
    const cut = transact(ALL);
    cut.apply(cut.conversation.receive(Buffer.from(`${TWICE}\n42`.replaceAll("\n", "\r\n"))));
    expect(cut.receive("1 4.3.2 Shutting down").result).toBe(OUT_OF_STEP);
  });

  test("a 221 before QUIT ends nothing", () => {
    const played = transact(ALL).receive(`${TWICE}\n221 Bye`);
    expect(played.result).toBe(null);
    expect(played.receive(NO).result).toBe(OUT_OF_STEP);
  });
});

test("the start of a reply behind the 250 endangers BDAT, unless it may be that of a 421", () => {
  for (const [part, endangers] of [
    ["42", false],
    ["421\t", false],
    ["421-One\r\n42", false],
    ["45", true],
    ["422", true],
    ["450-One\r\n", true],
  ] as const) {
    const played = transact(ALL, BY_DATA).receive(OK, OK, "354 go", OK);
    played.apply(played.conversation.receive(Buffer.from(part)));
    const { mustHangUp, session } = played.conversation;
    expect([played.result, mustHangUp, session.learned.endangersBdat]).toEqual([
      "successful",
      true,
      endangers,
    ]);
  }
});

test("a reply that breaks the protocol endangers BDAT, also with DATA, and a lost connection does not", () => {
  const { conversation } = transact(ALL, BY_DATA).receive("354 Go");
  expect(conversation.result).toMatchObject({ failure: { code: "protocol", outcome: "not-sent" } });
  expect(conversation.session.learned.endangersBdat).toBe(true);
  const { conversation: other } = transact(ALL, BY_DATA).receive(OK);
  other.lost("closed");
  expect(other.session.learned.endangersBdat).toBe(false);
});

test("a rejection of the message leaves the connection in use, but not if it ends the session", () => {
  for (const [line, isReady] of [
    ["451 4.3.0 Later", true],
    ["451 4.4.5 Maximum number of messages per session exceeded.", false],
  ] as const) {
    const { conversation } = transact(ALL, { survivesRejection: true }).receive(OK, OK, line);
    expect([conversation.isReady, conversation.mayQuit]).toEqual([isReady, true]);
  }
});

describe("after a rejected recipient that the connection survives", () => {
  const SURVIVES = { ...OPTIONS, survivesRejection: true };

  function rejectOnce(): Played {
    const played = transact(ALL, SURVIVES).receive(OK, NO, "503 No");
    played.written.length = 0;
    return played.apply(played.conversation.transact(MESSAGE, SURVIVES));
  }

  test("RSET precedes the next flight", () => {
    const played = rejectOnce();
    expect(played.written.slice(0, 3)).toEqual(["RSET", `${MAIL} SIZE=24`, RCPT]);
    expect(played.receive(OK, OK, OK, OK).result).toBe("successful");
  });

  for (const [reply, outcome] of [
    ["250 Ok", "recipient recipient_rejected not-sent"],
    ["502 What", UNKNOWN_LOSS],
  ] as const) {
    test(`a 550 to RCPT and a lost connection after "${reply}" to RSET is reported as ${outcome}`, () => {
      const played = rejectOnce().receive(reply, OK, NO);
      played.conversation.lost("closed");
      expect(played.result).toBe(outcome);
    });
  }

  test("RSET and QUIT after a 250 change no outcome, whatever the replies", () => {
    const played = transact(ALL).receive(OK, OK, OK);
    played.apply(played.conversation.quit()).receive("554 5.0.0 No");
    played.conversation.lost("network");
    expect(played.result).toBe("successful");
  });
});

describe("a server without a needed extension", () => {
  for (const [what, change, keywords, result] of [
    ["without SMTPUTF8, the sender", { from: "ä@example.org" }, [], "sender unsupported_here not-sent"],
    [
      "without SMTPUTF8, the recipient",
      { recipient: "ä@example.net" },
      [],
      "recipient unsupported_here not-sent",
    ],
    [
      "without SMTPUTF8, its header",
      { eightBit: true, utf8Headers: true },
      ["8BITMIME"],
      "data unsupported_here not-sent",
    ],
    ["without 8BITMIME, its octets", { eightBit: true }, [], "data unsupported_here not-sent"],
    ["with too small a SIZE, its size", {}, ["SIZE 23"], "sender too_large not-sent"],
  ] as const) {
    test(`${what}: nothing is written, and the connection stays`, () => {
      const played = openPlayed(keywords);
      played.apply(played.conversation.transact({ ...MESSAGE, ...change }, OPTIONS));
      expect(played.written).toEqual([]);
      expect(played.result).toBe(result);
      expect(played.conversation.isReady).toBe(true);
    });
  }
});
