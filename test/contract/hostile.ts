import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Transport } from "../../src/contracts/transport.ts";
import { Secret } from "../../src/domain/secret.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { type SmtpTestServerOptions, startSmtpServer } from "../../src/testing/smtp/index.ts";
import type { TlsMaterial } from "../fixtures/smtp/tls.ts";
import { sendTo, serverAt, timed } from "../transport/support.ts";
import {
  type Expected,
  expectedOf,
  MODES,
  type Mode,
  PHASES,
  ROWS,
  type Step,
  stepsOf,
} from "./hostile-table.ts";

/** Step timeout in these tests. A case that waits for it takes at most four times as long, plus BUSY_MS. */
const TIMEOUT_MS = 1_500;
const BUSY_MS = 2_000;
const PATIENT_MS = 10_000;
const TEST_MS = 60_000;

/** A different result on a runtime that cannot distinguish as much as others. */
export interface Deviation {
  readonly because: string;
  readonly where: (mode: Mode, step: Step, what: string) => boolean;
  readonly expected: Partial<Expected>;
  /** The runtime closes the socket later, on its own. */
  readonly lingers?: true;
}

export interface HostileSubject {
  /** Creates a transport that trusts the material's authority. */
  readonly makeTransport: () => Transport | Promise<Transport>;
  /** `null` if openssl is missing. Then TLS is not tested. */
  readonly material: TlsMaterial | null;
  readonly deviations?: readonly Deviation[];
  /** Default: all modes. */
  readonly modes?: readonly Mode[];
  /** Step timeout if two processes share the work. Default: 1500. */
  readonly timeoutMs?: number;
  /** Whether the server misbehaves at the second message of a connection, where it can. Default: `false`. */
  readonly isWarm?: boolean;
}

/** Tests one driver with every step and row of the table: each case is bounded, has its own code, and leaves no socket. */
export function testHostileServers(name: string, subject: HostileSubject): void {
  setDefaultTimeout(TEST_MS);
  const { makeTransport, material, deviations = [], modes = MODES, timeoutMs = TIMEOUT_MS } = subject;
  const isWarm = (step: Step): boolean => subject.isWarm === true && FLIGHT.includes(step);

  /** Sends a message to a server that replies properly, which leaves a connection for the next one. */
  async function warmUp(mode: Mode, server: mis.SmtpTestServer, transport: Transport): Promise<void> {
    expect((await sendTo(transport, target(mode, server.port, PATIENT_MS))).successful).toBe(true);
    expect(server.openSockets).toBe(1);
  }

  async function holds(
    mode: Mode,
    step: Step,
    how: mis.Misbehavior,
    expected: Expected,
    lingers = false,
  ): Promise<void> {
    await using server = await startSmtpServer(optionsOf(mode));
    const transport = await makeTransport();
    if (isWarm(step)) await warmUp(mode, server, transport);
    server.script(step, how);
    // Only cases that time out get the short timeout: a busy machine may be slow for the others.
    const stepMs = expected.code === "timeout" ? timeoutMs : PATIENT_MS;
    const { result, elapsedMs } = await timed(() => sendTo(transport, target(mode, server.port, stepMs)));
    expect(result).toMatchObject({ successful: false, failure: expected });
    expect(elapsedMs).toBeLessThan(4 * stepMs + BUSY_MS);
    await transport[Symbol.asyncDispose]();
    // Hangs, and therefore fails, if the client keeps a socket.
    if (!lingers) await server.closed();
  }

  /** Declares one case. The name includes a deviation. */
  function testCase(mode: Mode, step: Step, what: string, how: mis.Misbehavior, expected: Expected): void {
    const deviation = deviations.find(({ where }) => where(mode, step, what));
    const note = deviation === undefined ? "" : ` (here otherwise, because ${deviation.because})`;
    test.concurrent(`${what} at ${step}${note}`, () =>
      holds(mode, step, how, { ...expected, ...deviation?.expected }, deviation?.lingers));
  }

  /** The client takes the second reply for the reply to the next command. All replies until the 221 to QUIT accept. */
  function testTwiceInFlight(step: Step): void {
    test.concurrent(`replies twice at ${step}: the message was sent`, async () => {
      await using server = await startSmtpServer(optionsOf("bdat"));
      await using transport = await makeTransport();
      if (isWarm(step)) await warmUp("bdat", server, transport);
      server.script(step, mis.twice());
      expect((await sendTo(transport, target("bdat", server.port, PATIENT_MS))).successful).toBe(true);
      expect(server.messages).toHaveLength(isWarm(step) ? 2 : 1);
    });
  }

  function optionsOf(mode: Mode): SmtpTestServerOptions {
    return {
      extensions: EXTENSIONS[mode],
      users: { user: "a password" },
      ...(isTls(mode) && material !== null ? { security: "starttls", tls: material.good } : {}),
    };
  }

  for (const mode of modes) {
    describe.skipIf(isTls(mode) && material === null)(`${name}: a hostile server, ${mode}:`, () => {
      for (const step of stepsOf(mode)) {
        for (const row of ROWS.filter(({ not }) => !not?.includes(step))) {
          testCase(mode, step, row.what, row.how, expectedOf(row, step, mode));
        }
        if (["connect", "starttls", "handshake", "bdat", "body"].includes(step)) continue;
        if (mode === "bdat") {
          testTwiceInFlight(step);
          continue;
        }
        // In one flight the second reply counts for the next command. The first that does not fit is the reply to DATA.
        const isShifted = mode !== "lockstep" && (step === "mail" || step === "rcpt");
        const phase = isShifted ? "data" : PHASES[step];
        const expected: Expected = { code: "protocol", phase, outcome: "not-sent", retryable: true };
        testCase(mode, step, "replies twice", mis.twice(), expected);
      }

      test("replies twice to the body: the message was sent, and the connection is closed", async () => {
        await using server = await startSmtpServer(optionsOf(mode));
        await using transport = await makeTransport();
        server.script("body", mis.then(mis.reply("250 Again")));
        expect((await sendTo(transport, target(mode, server.port, PATIENT_MS))).successful).toBe(true);
        server.script("body", undefined);
        expect((await sendTo(transport, target(mode, server.port, PATIENT_MS))).successful).toBe(true);
        expect(server.connections).toHaveLength(2);
      });
    });
  }

  describe.skipIf(material === null)(`${name}: text after STARTTLS's 220 is an attack:`, () => {
    for (const injected of ["250 AUTH PLAIN", "25", "\r"]) {
      const how: mis.Misbehavior = (peer) => peer.write(`220 Go ahead\r\n${injected}`);
      const expected = { code: "protocol", phase: "starttls", outcome: "not-sent" } as const;
      testCase("starttls", "starttls", `injects ${JSON.stringify(injected)}`, how, expected);
    }
  });
}

/** The steps of each message. */
const FLIGHT: readonly Step[] = ["mail", "rcpt", "data", "bdat", "body"];

const EXTENSIONS: Readonly<Record<Mode, readonly string[]>> = {
  lockstep: [],
  pipelined: ["PIPELINING"],
  starttls: ["PIPELINING"],
  bdat: ["PIPELINING", "CHUNKING"],
};

function isTls(mode: Mode): boolean {
  return mode === "starttls" || mode === "bdat";
}

function target(mode: Mode, port: number, timeoutMs: number) {
  return serverAt(port, {
    security: isTls(mode) ? "starttls" : "none",
    username: "user",
    password: new Secret("a password"),
    timeoutMs,
  });
}
