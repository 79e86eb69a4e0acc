import { postfixObstacle, startPostfix } from "../fixtures/postfix/postfix.ts";
import { eximObstacle, startExim } from "./exim.ts";
import { greenMailObstacle, startGreenMail } from "./greenmail.ts";
import { opensmtpdObstacle, startOpenSmtpd } from "./opensmtpd.ts";
import { DOMAIN, type Peer, type PeerOptions, USER } from "./peer.ts";

/** A mail server by other authors, and its capabilities. */
export interface PeerServer {
  readonly name: string;
  /** Reason why it cannot run here. `null` if it can. */
  readonly obstacle: () => string | null;
  readonly start: (options: PeerOptions) => Promise<Peer>;
  readonly security: "none" | "starttls" | "implicit";
  /** `null`: it has no AUTH. */
  readonly username: string | null;
  /** Round trips of a message through a new connection, the login included, and through a warm one. */
  readonly roundTrips: readonly [first: number, next: number];
  /** Whether it rejects remote recipients without a login. */
  readonly rejectsRelaying: boolean;
  /** Counts messages that came by BDAT in its log; absent if it does not support BDAT. */
  readonly bdatLog?: { readonly pattern: RegExp; readonly matches: (messages: number) => number };
}

export const SERVERS: readonly PeerServer[] = [
  {
    name: "Postfix",
    obstacle: postfixObstacle,
    start: startPostfixPeer,
    security: "starttls",
    username: `${USER.username}@mx.test`,
    roundTrips: [8, 1],
    rejectsRelaying: true,
    // One line for each closed connection.
    bdatLog: { pattern: /disconnect from .* bdat=(\d+)/g, matches: () => 1 },
  },
  {
    name: "Exim",
    obstacle: eximObstacle,
    start: startExim,
    security: "starttls",
    username: USER.username,
    roundTrips: [8, 1],
    rejectsRelaying: true,
    // K stands for CHUNKING.
    bdatLog: { pattern: /( <= .* P=esmtps.* K )/g, matches: (messages) => messages },
  },
  {
    name: "OpenSMTPD",
    obstacle: opensmtpdObstacle,
    start: startOpenSmtpd,
    security: "none",
    username: null,
    roundTrips: [7, 4],
    rejectsRelaying: true,
  },
  {
    name: "GreenMail",
    obstacle: greenMailObstacle,
    start: startGreenMail,
    security: "implicit",
    username: USER.username,
    roundTrips: [9, 4],
    rejectsRelaying: false,
  },
];

async function startPostfixPeer({ tls }: PeerOptions): Promise<Peer> {
  const postfix = await startPostfix({ tls, users: { [USER.username]: USER.password }, domain: DOMAIN });
  return {
    port: postfix.port,
    log: postfix.log,
    async until(pattern, count) {
      for (;;) {
        const boxes = await postfix.delivered(0);
        const text = [postfix.log(), ...boxes.map((bytes) => Buffer.from(bytes).toString("latin1"))].join(
          "\n",
        );
        const matches = [...text.matchAll(pattern)].map(([, group = ""]) => group);
        if (matches.length >= count) return matches;
        await Bun.sleep(POLL_MS);
      }
    },
    [Symbol.asyncDispose]: () => postfix[Symbol.asyncDispose](),
  };
}

const POLL_MS = 50;
