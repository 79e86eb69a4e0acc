import type { WorkerMailer } from "worker-mailer";
import type { Phase, SmtpReply, TlsPeer } from "../domain/delivery.ts";
import type { OpenServer } from "../domain/smtp-server.ts";
import { stuffDots } from "../smtp/dot-stuffing.ts";
import type { Attempt } from "./attempt.ts";
import type { Capabilities } from "./capabilities.ts";
import { DeliveryError } from "./delivery-error.ts";
import type { Step } from "./dialogue.ts";
import { type MailSession, QUIT_MS, type Transaction } from "./mail-session.ts";
import { Monitor } from "./monitor.ts";
import type { NativeSocket } from "./native-socket.ts";
import { NativeWire } from "./native-wire.ts";
import { redactor } from "./redact.ts";
import type { RawReply } from "./reply-reader.ts";
import { Guard, type LibraryAct } from "./worker-mailer-guard.ts";
import { connectLibrary, sendByLibrary, Unguarded } from "./worker-mailer-library.ts";
import {
  hasMechanism,
  type LineAct,
  type LineState,
  WorkerMailerLines,
  type WorkerMailerLinesOptions,
} from "./worker-mailer-lines.ts";

/** The platform shows nothing of it. */
const HIDDEN_PEER: TlsPeer = { protocol: null, peer: null, daysLeft: null };

/** RFC 4954 4. */
const CHALLENGE = 334;

/** workerd gives segments and TLS records one by one; what follows a reply at once is to be heard with it. */
const HEAR_OUT_MS = 1;

/** The last part of the mail data, which holds its end: until it is written the mail cannot have been taken. */
const LAST_PART_OCTETS = 4096;

/**
 * One SMTP session: worker-mailer says what comes next, a {@link Guard} lets nothing else of it through, and a
 * {@link Monitor} judges the replies before the library hears of them.
 */
export class WorkerMailerSession implements MailSession {
  readonly #server: OpenServer;
  readonly #lines: WorkerMailerLines;
  readonly #wire: NativeWire;
  readonly #monitor: Monitor;
  readonly #guard: Guard;
  #mailer: WorkerMailer | null = null;
  #mail: Transaction | null = null;
  /** The reply that was due, until the library hears of it. */
  #heard: { readonly step: Step; readonly reply: RawReply } | null = null;
  /** What to do when the handshake that the server agreed to has succeeded. */
  #onSecured: (() => void) | null = null;
  #isReady = false;
  #isAuthenticated = false;
  #isLost = false;
  #ended: { readonly reason: unknown } | null = null;
  #reject: (reason: unknown) => void = () => undefined;
  #onEnd: () => void = () => undefined;

  /** Null without TLS. */
  tls: TlsPeer | null = null;
  /** Mails given to this session. */
  mails = 0;

  /** Takes over a connected socket; with security `implicit`, TLS is already established on it. */
  constructor(socket: NativeSocket, options: WorkerMailerLinesOptions) {
    const { server } = options;
    this.#server = server;
    this.#lines = new WorkerMailerLines(options);
    if (server.security === "implicit") this.tls = HIDDEN_PEER;
    this.#monitor = new Monitor({
      wantsStartTls: server.security === "starttls",
      redact: redactor(server.username, server.password.reveal()),
      rejectionContext: () => ({ isTls: this.tls !== null, hasLogin: server.username !== "" }),
      onReply: (step, reply) => {
        this.#heard = { step, reply };
      },
      hangUp: (reason) => this.#end(reason),
    });
    this.#guard = new Guard({
      perform: (act) => this.#perform(act),
      startTls: () => this.#wire.startTls(),
      refuse: () => this.#onUnforeseen(),
    });
    this.#wire = new NativeWire(socket, {
      onChunk: (chunk) => this.#onChunk(chunk),
      onClosed: () => this.#onClosed(),
    });
  }

  get capabilities(): Capabilities {
    return this.#monitor.capabilities;
  }

  /** Whether another mail may go through: it was opened, nothing was refused, nothing is due, nobody has hung up. */
  get isUsable(): boolean {
    return this.#isReady && this.#ended === null && this.#monitor.isClean;
  }

  async open(attempt: Attempt): Promise<void> {
    const { username, password, security } = this.#server;
    attempt.enter("greeting");
    await this.#run(attempt, () => this.#connect());
    // A server that only speaks HELO offers neither.
    if (security === "starttls" && this.tls === null)
      throw attempt.failure("tls_not_offered", null, "starttls");
    if (username !== "" && !this.#isAuthenticated) {
      attempt.enter("auth");
      throw attempt.failure(
        password.isEmpty && hasMechanism(this.#state) ? "auth_rejected" : "auth_not_offered",
      );
    }
    this.#isReady = true;
  }

  async send(mail: Transaction, attempt: Attempt): Promise<SmtpReply> {
    this.mails++;
    this.#mail = mail;
    attempt.enter("sender");
    const mailer = this.#mailer;
    if (mailer === null) throw attempt.failure("closed");
    await this.#run(attempt, () => sendByLibrary(mailer));
    const reply = this.#monitor.lastReply;
    if (reply === null) throw attempt.failure("protocol");
    return reply;
  }

  rest(onEnd: () => void): void {
    this.#onEnd = onEnd;
  }

  wake(): void {
    this.#onEnd = () => undefined;
  }

  /** Takes leave (RFC 5321 4.1.1.10), for a second at most, without the library. Never rejects. */
  async quit(): Promise<void> {
    this.#monitor.stop();
    this.#guard.end();
    if (this.#ended !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEnd = resolve;
    const timer = setTimeout(() => this.#end(null), QUIT_MS);
    this.#wire.writeLine("QUIT").catch(() => this.#end(null));
    await promise;
    clearTimeout(timer);
  }

  async #connect(): Promise<void> {
    this.#mailer = await connectLibrary(this.#guard.socket(), this.#server);
  }

  /** Runs one of the library's calls. It may never settle, so whatever else ends the session ends the wait. */
  async #run(attempt: Attempt, begin: () => Promise<unknown>): Promise<void> {
    const stop = (): void => this.#end(attempt.signal.reason);
    this.#monitor.begin(attempt);
    attempt.signal.addEventListener("abort", stop);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#reject = reject;
        if (attempt.signal.aborted) stop();
        if (this.#ended !== null) reject(this.#ended.reason ?? attempt.failure("closed"));
        else
          begin().then(
            () => resolve(),
            (error: unknown) => this.#onLibraryError(error, attempt),
          );
      });
    } finally {
      attempt.signal.removeEventListener("abort", stop);
      this.#monitor.attempt = null;
    }
  }

  #onLibraryError(error: unknown, attempt: Attempt): void {
    const { refusal } = this.#monitor;
    if (error instanceof Unguarded) this.#end(error);
    // The reason follows.
    else if (this.#isLost) return;
    // After a refused command there is still time to take leave, but nothing for the library to say.
    else if (refusal !== null) {
      this.#guard.end();
      this.#reject(refusal);
    } else this.#end(attempt.failure("unsupported_here"));
  }

  /** After a refusal the library says RSET, which is not worth a round trip: this session carries no other mail. */
  #onUnforeseen(): void {
    if (this.#monitor.refusal === null) this.#end(this.#monitor.attempt?.failure("unsupported_here") ?? null);
  }

  async #perform(act: LibraryAct): Promise<void> {
    try {
      if (act === "body") await this.#writeBody();
      else await this.#say(act);
    } catch (error) {
      this.#onClosed();
      throw error;
    }
  }

  async #say(act: LineAct): Promise<void> {
    // What was refused may be tried otherwise only where there is another way: HELO instead of EHLO.
    const isOver = this.#monitor.refusal !== null && act !== "helo";
    const line = isOver ? null : this.#lines.lineOf(act, this.#state);
    if (line === null) {
      this.#onUnforeseen();
      return;
    }
    const say = (): void => this.#monitor.sentLine(line);
    if (this.#isUpgrading) this.#onSecured = say;
    else say();
    await this.#wire.writeLine(line);
    this.#secured();
  }

  get #state(): LineState {
    return { capabilities: this.capabilities, isTls: this.tls !== null, mail: this.#mail };
  }

  async #writeBody(): Promise<void> {
    const data = stuffDots(this.#mail?.bytes ?? new Uint8Array());
    const lastAt = Math.max(0, data.length - LAST_PART_OCTETS);
    if (lastAt > 0) await this.#wire.write(data.subarray(0, lastAt));
    if (this.#ended !== null) return;
    this.#monitor.sentBody();
    await this.#wire.write(data.subarray(lastAt));
  }

  /** workerd says that TLS is there before it is; when something went through it, it is. */
  #secured(): void {
    const onSecured = this.#onSecured;
    this.#onSecured = null;
    if (onSecured === null || this.#ended !== null) return;
    this.tls = HIDDEN_PEER;
    onSecured();
  }

  get #isUpgrading(): boolean {
    return this.#monitor.hasAgreedTls && this.tls === null;
  }

  /** @returns whether more may come: between the 220 to STARTTLS and the handshake nothing may. */
  #onChunk(chunk: Uint8Array): boolean {
    this.#secured();
    this.#monitor.receive(chunk);
    if (this.#heard !== null) setTimeout(() => this.#tellHeard(), HEAR_OUT_MS);
    return !this.#isUpgrading;
  }

  #tellHeard(): void {
    const heard = this.#heard;
    this.#heard = null;
    if (heard !== null && this.#ended === null) this.#tell(heard.step, heard.reply);
  }

  /** Tells the library what it has to know of a reply; a SASL exchange is none of its business. */
  #tell(step: Step, { code, lines }: RawReply): void {
    if (step === "auth" && code === CHALLENGE) this.#answer(lines[0] ?? "");
    else {
      if (step === "auth" && code < 400) this.#isAuthenticated = true;
      this.#guard.reply(code, step === "ehlo" ? this.#lines.keywords(this.#state) : []);
    }
  }

  #answer(challenge: string): void {
    const line = this.#lines.answer(challenge);
    if (line === null) {
      this.#end(this.#monitor.attempt?.failure("protocol") ?? null);
      return;
    }
    this.#monitor.sentLine("AUTH");
    this.#wire.writeLine(line).catch(() => this.#onClosed());
  }

  #onClosed(): void {
    this.#isLost = true;
    // What the server said last may still be on its way to us.
    setImmediate(() => this.#end(this.#lossFailure()));
  }

  #lossFailure(): DeliveryError | null {
    const [code, phase]: ["tls_failed" | "closed", Phase | undefined] = this.#isUpgrading
      ? ["tls_failed", "certificate"]
      : ["closed", undefined];
    return this.#monitor.attempt?.failure(code, null, phase) ?? null;
  }

  /** Hangs up at once. What the server refused before says more than how the session ended. */
  #end(reason: unknown): void {
    if (this.#ended !== null) return;
    this.#ended = { reason: reason instanceof DeliveryError ? (this.#monitor.refusal ?? reason) : reason };
    this.#monitor.stop();
    this.#guard.end();
    this.#wire.destroy();
    this.#reject(this.#ended.reason);
    this.#onEnd();
  }
}
