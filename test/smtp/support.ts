import { Conversation, type ConversationOptions } from "../../src/smtp/conversation.ts";
import type { Turn } from "../../src/smtp/pipeline.ts";
import type { Login } from "../../src/smtp/sasl.ts";
import type { MessageTransfer, TransactionOptions } from "../../src/smtp/transaction.ts";

export const LOGIN: Login = {
  kind: "password",
  username: "user",
  secret: "a password",
  mechanism: "auto",
  host: "mx.test",
  port: 587,
};
export const TOKEN_LOGIN: Login = { ...LOGIN, kind: "oauth2", secret: "a.token" };
const DEFAULTS: ConversationOptions = {
  ehloName: "client.test",
  security: "none",
  login: null,
  redact: (text) => text,
};

/** A conversation, and the lines that it wrote so far. */
export class Played {
  readonly conversation: Conversation;
  /** Lines without CRLF, including those of messages. */
  readonly written: string[] = [];
  wait: Turn["wait"] = { for: "nothing" };

  constructor(options: Partial<ConversationOptions> = {}) {
    this.conversation = new Conversation({ ...DEFAULTS, ...options });
  }

  /** Records the bytes of a turn. */
  apply({ write, wait }: Turn): this {
    const text = Buffer.from(write ?? []).toString("latin1");
    if (text !== "") this.written.push(...text.replace(/\r\n$/, "").split("\r\n"));
    this.wait = wait;
    return this;
  }

  /** Passes chunks of the server to the conversation, adding CRLF. If it waits for TLS, the handshake succeeds first. */
  receive(...chunks: readonly string[]): this {
    for (const chunk of chunks) {
      if (this.wait.for === "tls") this.apply(this.conversation.secured());
      this.apply(this.conversation.receive(Buffer.from(`${chunk.replaceAll("\n", "\r\n")}\r\n`, "latin1")));
    }
    return this;
  }

  /** `successful`, or phase, code and outcome of the failure. `null`: no result so far. */
  get result(): string | null {
    const { result } = this.conversation;
    if (result === null) return null;
    return result.successful
      ? "successful"
      : `${result.failure.phase} ${result.failure.code} ${result.failure.outcome}`;
  }
}

/** Opens a conversation with a server that lists these keywords. Under TLS, unless the options change that. */
export function openPlayed(keywords: readonly string[], options: Partial<ConversationOptions> = {}): Played {
  const played = new Played({ security: "implicit", ...options });
  const ehlo = ["mx", ...keywords].map((line, index) => `250${index === keywords.length ? " " : "-"}${line}`);
  played.apply(played.conversation.open()).receive("220 mx", ehlo.join("\n"));
  played.written.length = 0;
  return played;
}

export const MESSAGE: MessageTransfer = {
  from: "a@example.org",
  recipient: "b@example.net",
  eightBit: false,
  utf8Headers: false,
  bytes: new TextEncoder().encode("Subject: Hello\r\n\r\n.dot\r\n"),
};

export const OPTIONS: TransactionOptions = { pipelining: "auto", mayUseBdat: true, survivesRejection: false };
