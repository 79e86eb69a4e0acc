import PostalMime, { type Email } from "postal-mime";
import { createApp, type SealpostApp } from "../app.ts";
import type { Plugin } from "../contracts/plugin.ts";
import { Secret } from "../domain/secret.ts";
import type { Submit } from "../mail/submission.ts";
import { generateKey, parseKeyring } from "../secrets/keyring.ts";
import { createServices } from "../services.ts";
import { openDatabase } from "../storage/open-database.ts";
import { createMemoryTransport, type InjectedFailure, type MemoryTransport } from "../transport/memory.ts";
import { createTestClock, type TestClock } from "./clock.ts";

/** A mail that was sent, as the mail server would have got it. */
export interface SentMail {
  /** Host and port of the definition it went through. */
  readonly server: { readonly host: string; readonly port: number };
  /** Reverse-path. */
  readonly from: string;
  /** Forward-path: each recipient gets a mail of its own. */
  readonly recipient: string;
  /** Headers, text, HTML and attachments, a signature among them. */
  readonly message: Email;
  /** The finished bytes. */
  readonly bytes: Uint8Array;
}

export interface TestSealpostOptions {
  /** Where the clock begins; default: now. */
  readonly start?: Date;
  /** Whether GET shows passwords; default: yes, as by default elsewhere. */
  readonly revealSecrets?: boolean;
  readonly plugins?: readonly Plugin[];
  /** Public URL for links in mails. */
  readonly baseUrl?: string;
}

/** A whole instance in memory, started, with an admin. */
export interface TestSealpost extends AsyncDisposable {
  readonly app: SealpostApp;
  readonly submit: Submit;
  /** Token of an admin who may do everything. */
  readonly token: string;
  readonly clock: TestClock;
  /** What was sent so far, in order. */
  readonly sent: readonly SentMail[];
  /** Has the next mails fail. */
  fail(failure: InjectedFailure): void;
  /**
   * Sends the queued mail that is due by the test's clock, and resolves when none is; nothing sends it before. A mail
   * that failed is due again when the clock was moved on: at most 5 s after the first time, an hour after many.
   */
  drain(): Promise<void>;
  /** Resolves when what goes on after answers is done, such as handlers of events; after five seconds in any case. */
  settled(): Promise<void>;
  /** A request in the admin's name; a `json` body makes it a POST. */
  request(path: string, init?: RequestInit & { readonly json?: unknown }): Promise<Response>;
}

const ADMIN = { username: "admin", realm: "" };
/** No time is too short for a mail. */
const FOREVER = { endsMs: Number.POSITIVE_INFINITY, mailMs: 0 };
/** Nobody guesses here: the least that scrypt takes. */
const CHEAP = { ln: 1, r: 1, p: 1 };

/**
 * Makes an instance for tests: database and mail in memory, time in the test's hands.
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
  const clock = createTestClock(options.start ?? new Date());
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const platform = { now: clock.now, randomBytes };
  const memory = createMemoryTransport();
  const { transport, sent } = parsing(memory);
  const services = createServices(
    {
      database: openDatabase({ url: ":memory:", randomBytes }),
      keyring: parseKeyring(generateKey("test", platform)),
      transport,
      platform,
    },
    {
      ...{
        tokenSeconds: 3_600,
        auditDays: 365,
        mailDays: 30,
        hostName: "sealpost.test",
        passwordCost: CHEAP,
      },
      plugins: options.plugins ?? [],
      baseUrl: options.baseUrl ?? "https://sealpost.test",
    },
  );
  await services.start();
  await services.admins.makeFirst(ADMIN, new Secret("password"));
  const [admin] = await services.admins.list();
  if (!admin) throw new Error("There is no admin");
  const { token } = await services.authentication.issue(admin, null);
  const app = createApp(services, {
    revealSecrets: options.revealSecrets ?? true,
    trustedProxies: [],
  });
  return {
    app,
    submit: services.submit,
    token,
    clock,
    sent,
    fail: memory.fail,
    drain: () => services.drain({ ...FOREVER, signal: new AbortController().signal }),
    settled: services.settled,
    request: async (path, init = {}) => app.request(path, withToken(init, token)),
    [Symbol.asyncDispose]: services[Symbol.asyncDispose],
  };
}

/** Parses what is sent before the sender goes on, so that a test need not wait for it. */
function parsing(memory: MemoryTransport): { transport: MemoryTransport; sent: readonly SentMail[] } {
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
