import type { Email } from "postal-mime";
import { loadOptional } from "../async/load-optional.ts";
import type { Platform } from "../contracts/platform.ts";
import { createSealpost, internalsOf, type Sealpost, type SealpostOptions } from "../sealpost.ts";
import { generateKey, parseKeyring } from "../secrets/keyring.ts";
import { createMemoryTransport, type InjectedFailure, type MemoryTransport } from "../transport/memory.ts";
import { openLimitedDatabase } from "./limited-database.ts";

/** A clock that stands still until the test advances it. */
export interface TestClock {
  /** A fresh `Date` each time. */
  now(): Date;
  advance(by: { readonly seconds: number }): void;
}

/** A message as its mail server received it. */
export interface SentMail {
  /** Host and port of the definition that sent it. */
  readonly server: { readonly host: string; readonly port: number };
  /** Reverse-path. */
  readonly from: string;
  /** Forward-path. Each recipient gets a message of their own. */
  readonly recipient: string;
  /** Headers, text, HTML and attachments, including a signature. */
  readonly message: Email;
  /** The final bytes. */
  readonly bytes: Uint8Array;
}

/** Options of {@link testSealpost}: those of `createSealpost`, with drivers in memory as defaults. */
export interface TestSealpostOptions extends Partial<Omit<SealpostOptions, "platform">> {
  /** Time at which the clock starts. Default: now. */
  readonly start?: Date;
  /** A clock that several instances share. Default: one of its own. */
  readonly clock?: TestClock;
  /** Default: real randomness. */
  readonly randomBytes?: Platform["randomBytes"];
  /** The first admin. Default: `admin` with the password `correct horse`. */
  readonly admin?: { readonly username: string; readonly password: string };
}

/** A complete instance in memory, started, with an admin. */
export interface TestSealpost extends AsyncDisposable {
  readonly app: Sealpost["app"];
  readonly submit: Sealpost["submit"];
  /** The instance itself, for everything that a test shares with a host app. */
  readonly sealpost: Sealpost;
  /** Token of an admin with every right. */
  readonly token: string;
  readonly clock: TestClock;
  /** The messages sent so far, in order. Empty if the options give another transport. */
  readonly sent: readonly SentMail[];
  /** Makes the next deliveries fail. */
  fail(fault: InjectedFailure): void;
  /**
   * Sends the queued mail that is due by the test's clock, and resolves when none is left. Nothing sends it earlier. A
   * failed message is due again after the clock advances: by 5 s at most after the first attempt, an hour after many.
   */
  drain(): Promise<void>;
  /** Resolves when work that continues after responses is done, such as event handlers, and after 5 s at the latest. */
  settled(): Promise<void>;
  /** Sends a request as the admin. A `json` body makes it a POST. */
  request(path: string, init?: RequestInit & { readonly json?: unknown }): Promise<Response>;
}

const ADMIN = { username: "admin", password: "correct horse" };
/** A delivery always fits into the time that is left. */
const FOREVER = { endsMs: Number.POSITIVE_INFINITY, messageTimeoutMs: 0 };
/** The least that scrypt accepts: no one attacks a test. */
const CHEAP = { ln: 1, r: 1, p: 1 };

/**
 * Creates an instance for tests: database and mail are in memory, and the test controls the time.
 * @example
 * ```ts
 * test("a definition sends", async () => {
 *   await using mail = await testSealpost();
 *   await mail.request("/smtpserver/main", { json: { server: "mail.example.org", sender: "app@example.org" } });
 *   await mail.submit("main", { to: [{ name: "", address: "ann@example.net" }], subject: "Hello", text: "Hi Ann" });
 *   expect(mail.sent[0]?.message.subject).toBe("Hello");
 * });
 * ```
 */
export async function testSealpost(options: TestSealpostOptions = {}): Promise<TestSealpost> {
  const { start = new Date(), clock = createTestClock(start), admin = ADMIN, ...given } = options;
  const randomBytes =
    options.randomBytes ?? ((length: number) => crypto.getRandomValues(new Uint8Array(length)));
  const platform = { now: clock.now, randomBytes };
  const memory = createMemoryTransport();
  const { transport, sent } = await parsing(memory);
  const sealpost = createSealpost({
    database: given.database ?? openLimitedDatabase({ randomBytes }),
    keyring: parseKeyring(generateKey("test", platform)),
    transport,
    hostName: "sealpost.test",
    baseUrl: "https://sealpost.test",
    passwordCost: CHEAP,
    worker: false,
    ...given,
    platform,
  });
  await sealpost.start();
  await sealpost.makeFirstAdmin(admin);
  const { services } = internalsOf(sealpost);
  const [first] = await services.admins.list();
  if (!first) throw new Error("There is no admin");
  const { token } = await services.authentication.issue(first, null);
  return {
    app: sealpost.app,
    submit: sealpost.submit,
    sealpost,
    token,
    clock,
    sent,
    fail: memory.fail,
    drain: () => services.drain({ ...FOREVER, signal: new AbortController().signal }),
    settled: services.settled,
    request: async (path, init = {}) => sealpost.app.request(path, withToken(init, token)),
    [Symbol.asyncDispose]: () => sealpost[Symbol.asyncDispose](),
  };
}

/** Parses each message before the sender continues, so that a test need not wait for it. */
async function parsing(
  memory: MemoryTransport,
): Promise<{ transport: MemoryTransport; sent: readonly SentMail[] }> {
  const { default: PostalMime } = await loadOptional(
    "postal-mime",
    "testSealpost()",
    () => import("postal-mime"),
  );
  const sent: SentMail[] = [];
  const transport: MemoryTransport = {
    ...memory,
    async send(delivery, sending) {
      const receipt = await memory.send(delivery, sending);
      if (!receipt.successful || receipt.reached !== null) return receipt;
      const { server, from, recipient } = delivery;
      const bytes = delivery.bytes.slice();
      const message = await PostalMime.parse(bytes);
      sent.push({ server: { host: server.host, port: server.port }, from, recipient, message, bytes });
      return receipt;
    },
  };
  return { transport, sent };
}

function withToken({ json, ...init }: RequestInit & { readonly json?: unknown }, token: string): RequestInit {
  const headers = new Headers(init.headers);
  headers.set("Authorization", token);
  if (json === undefined) return { ...init, headers };
  headers.set("Content-Type", "application/json");
  return { method: "POST", ...init, headers, body: JSON.stringify(json) };
}

function createTestClock(start: Date): TestClock {
  let timeMs = start.getTime();
  return {
    now: () => new Date(timeMs),
    advance({ seconds }) {
      timeMs += seconds * 1_000;
    },
  };
}
