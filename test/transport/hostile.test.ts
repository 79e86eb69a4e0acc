import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import type { Failure, FailureCode, Phase } from "../../src/domain/delivery.ts";
import { Secret } from "../../src/domain/secret.ts";
import * as mis from "../fixtures/smtp/misbehaviour.ts";
import { type ServerStep, type SmtpTestServerOptions, startSmtpServer } from "../fixtures/smtp/server.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";
import { makeTransport, sendTo, serverAt, timed } from "./support.ts";

if (openssl === null) console.warn("openssl is missing: hostile servers are not tried over TLS");

/** Bound of a step in these tests; four times it, and some time for a busy machine, bounds each case. */
const TIMEOUT_MS = 300;
const CASE_MS = 4 * TIMEOUT_MS + 500;

const MODES = ["lockstep", "pipelined", "starttls"] as const;
type Mode = (typeof MODES)[number];

const PHASES = {
  connect: "greeting",
  greeting: "greeting",
  ehlo: "ehlo",
  starttls: "starttls",
  handshake: "starttls",
  "ehlo-tls": "ehlo",
  auth: "auth",
  mail: "sender",
  rcpt: "recipient",
  data: "data",
  body: "data",
} as const satisfies Partial<Record<ServerStep, Phase>>;
type Step = keyof typeof PHASES;
const ALL = Object.keys(PHASES) as Step[];
const TLS_ONLY: readonly Step[] = ["starttls", "handshake", "ehlo-tls"];
const WITHOUT_REPLY: readonly Step[] = ["connect", "handshake"];

type Expected = Partial<Record<keyof Failure, unknown>> & { readonly code: FailureCode };

interface Row {
  readonly what: string;
  readonly how: mis.Misbehaviour;
  readonly expected: FailureCode | Readonly<Partial<Record<Step, FailureCode>>>;
  /** Whether it is a reply that the server stands by: then it is never unknown. */
  readonly isReply?: boolean;
  readonly retryable?: boolean;
  readonly not?: readonly Step[];
}

const SHUTTING_DOWN = "rate_limited";
const REFUSED = {
  greeting: "refused",
  starttls: "tls_not_offered",
  auth: "auth_rejected",
  mail: "sender_rejected",
  rcpt: "recipient_rejected",
  data: "content_rejected",
  body: "content_rejected",
} as const;

/** THE table: every step times every row. */
const ROWS: readonly Row[] = [
  { what: "closes", how: mis.close(), expected: "closed" },
  { what: "closes its half", how: mis.halfClose(), expected: "closed" },
  { what: "says nothing", how: mis.stall(), expected: "timeout" },
  { what: "talks garbage", how: mis.garbage(), expected: "protocol", not: ["connect"] },
  { what: "sends a line of 2 MB", how: mis.hugeLine(), expected: "protocol", not: WITHOUT_REPLY },
  { what: "sends half a line", how: mis.halfLine(), expected: "timeout", not: WITHOUT_REPLY },
  { what: "sends an octet at a time", how: mis.trickle(), expected: "timeout", not: WITHOUT_REPLY },
  { what: "never ends its reply", how: mis.endless(), expected: "protocol", not: WITHOUT_REPLY },
  { what: "mixes codes in a reply", how: mis.mixedCodes(), expected: "protocol", not: WITHOUT_REPLY },
  { what: "closes amid a reply", how: mis.closeMidReply(), expected: "closed", not: WITHOUT_REPLY },
  { what: "says 199", how: mis.reply("199 Hm"), expected: "protocol", not: WITHOUT_REPLY },
  { what: "says 354", how: mis.reply("354 Go on"), expected: "protocol", not: [...WITHOUT_REPLY, "data"] },
  { what: "says 250", how: mis.reply("250 Ok"), expected: "protocol", not: ALL.filter((s) => s !== "data") },
  {
    what: "says 421 and closes",
    how: mis.replyAndClose("421 4.3.2 Shutting down"),
    expected: {
      ...Object.fromEntries(ALL.map((step) => [step, SHUTTING_DOWN])),
      starttls: "tls_not_offered",
    },
    isReply: true,
    not: WITHOUT_REPLY,
  },
  {
    what: "says 554 and closes",
    how: mis.replyAndClose("554 No"),
    expected: { ...REFUSED, ehlo: "refused", "ehlo-tls": "refused" },
    isReply: true,
    retryable: false,
    not: WITHOUT_REPLY,
  },
  {
    what: "says 451",
    how: mis.reply("451 Later"),
    expected: REFUSED,
    isReply: true,
    not: [...WITHOUT_REPLY, "ehlo", "ehlo-tls"],
  },
  {
    what: "says 550",
    how: mis.reply("550 No"),
    expected: REFUSED,
    isReply: true,
    retryable: false,
    not: [...WITHOUT_REPLY, "ehlo", "ehlo-tls"],
  },
];

let tls: ReturnType<typeof makeTlsMaterial> | null = null;
let socketsBefore = 0;
beforeAll(() => {
  if (openssl !== null) tls = makeTlsMaterial();
  socketsBefore = countSockets();
});
afterAll(() => {
  expect(countSockets()).toBeLessThanOrEqual(socketsBefore);
});

for (const mode of MODES) {
  describe.skipIf(mode === "starttls" && openssl === null)(`a hostile server, ${mode}:`, () => {
    for (const step of ALL.filter((one) => mode === "starttls" || !TLS_ONLY.includes(one))) {
      for (const row of ROWS.filter(({ not }) => !not?.includes(step))) {
        test.concurrent(`${row.what} at ${step}`, () => holds(mode, step, row.how, expectedOf(row, step)));
      }
      if (["connect", "starttls", "handshake", "body"].includes(step)) continue;
      test.concurrent(`answers twice at ${step}`, () => {
        // In one flight the second answer is taken for the next one, and DATA's is the first that cannot be.
        const isShifted = mode !== "lockstep" && (step === "mail" || step === "rcpt");
        const expected: Expected = { code: "protocol", outcome: "not-sent", retryable: true };
        return holds(mode, step, mis.twice(), { ...expected, phase: isShifted ? "data" : PHASES[step] });
      });
    }

    test("answers twice to the body: the mail was sent, the connection is not used again", async () => {
      await using server = await startSmtpServer(optionsOf(mode));
      await using transport = makeTransport({ extraCa: tls === null ? [] : [tls.ca] });
      server.script("body", mis.then(mis.reply("250 Again")));
      expect((await sendTo(transport, target(mode, server.port))).successful).toBe(true);
      server.script("body", undefined);
      expect((await sendTo(transport, target(mode, server.port))).successful).toBe(true);
      expect(server.connections).toHaveLength(2);
    });
  });
}

for (const injected of ["250 AUTH PLAIN", "25", "\r"]) {
  test.skipIf(openssl === null)(
    `text behind STARTTLS's 220 is an attack: ${JSON.stringify(injected)}`,
    () => {
      const how: mis.Misbehaviour = (peer) => peer.write(`220 Go ahead\r\n${injected}`);
      const expected = { code: "protocol", phase: "starttls", outcome: "not-sent" } as const;
      return holds("starttls", "starttls", how, expected);
    },
  );
}

/** What a whole reply says is known; anything else after the end of the body is not. */
function expectedOf(row: Row, step: Step): Expected {
  const code = typeof row.expected === "string" ? row.expected : (row.expected[step] ?? "protocol");
  const isUnknown = step === "body" && row.isReply !== true;
  const outcome = isUnknown ? "unknown" : "not-sent";
  return { code, phase: PHASES[step], outcome, retryable: !isUnknown && (row.retryable ?? true) };
}

async function holds(mode: Mode, step: Step, how: mis.Misbehaviour, expected: Expected): Promise<void> {
  await using server = await startSmtpServer({ ...optionsOf(mode), script: { [step]: how } });
  const transport = makeTransport({ extraCa: tls === null ? [] : [tls.ca] });
  const { result, elapsedMs } = await timed(() => sendTo(transport, target(mode, server.port)));
  expect(result).toMatchObject({ successful: false, failure: expected });
  expect(elapsedMs).toBeLessThan(CASE_MS);
  await transport[Symbol.asyncDispose]();
  // Hangs, and so fails, if the client keeps a socket.
  await server.closed();
}

function optionsOf(mode: Mode): SmtpTestServerOptions {
  return {
    extensions: mode === "lockstep" ? [] : ["PIPELINING"],
    users: { user: "a password" },
    ...(mode === "starttls" && tls !== null ? { security: "starttls", tls: tls.good } : {}),
  };
}

function target(mode: Mode, port: number) {
  return serverAt(port, {
    security: mode === "starttls" ? "starttls" : "none",
    username: "user",
    password: new Secret("a password"),
    timeoutMs: TIMEOUT_MS,
  });
}

/** Open sockets of this process; 0 where there is no /proc. */
function countSockets(): number {
  const directory = "/proc/self/fd";
  if (!existsSync(directory)) return 0;
  return readdirSync(directory).filter((fd) => tryReadlink(`${directory}/${fd}`).startsWith("socket:"))
    .length;
}

/** The descriptor that lists the directory is gone by now. */
function tryReadlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
