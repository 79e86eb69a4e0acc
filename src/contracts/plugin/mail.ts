import type { Context } from "hono";
import type { Failure, Receipt } from "../../domain/delivery.ts";
import type { Message } from "../../domain/message.ts";
import type { Statement } from "../database.ts";
import type { Env } from "../env.ts";

export interface SubmitOptions extends MailOptions {
  /** The request that causes the message. The audit row then names its admin and client. */
  readonly request?: Context<Env>;
  /** Returns statements to commit together with the record of the outcome. */
  readonly also?: (outcome: SubmitOutcome) => readonly Statement[];
}

/** The outcome of a submitted message. */
export type SubmitOutcome = {
  /** Name of the definition that was used or requested. Empty if there was none. */
  readonly identifier: string;
} & (
  | { readonly state: "delivered"; readonly recipients: readonly RecipientOutcome[] }
  | { readonly state: "queued"; readonly mailId: string }
  | {
      readonly state: "failed";
      /** The failure that represents all recipients. Its code is `server_unknown` if the definition does not exist. */
      readonly failure: Failure;
      readonly recipients: readonly RecipientOutcome[];
    }
);
interface RecipientOutcome {
  readonly recipient: string;
  readonly receipt: Receipt;
}

/** Sends mail. */
export interface PluginMail {
  /**
   * Submits a message through a definition and writes an audit row in the plugin's name. A mail server's failure is an
   * outcome, never an exception.
   * @param server one definition, or several for failover. If undefined or empty: the plugin's first setting with
   * `namesServer`, else the definition `default`.
   * @throws {SealpostError} `missing_parameter`, `invalid_parameter` or `too_large` if the message cannot be sent.
   */
  submit(
    server: string | readonly string[] | undefined,
    message: Message,
    options?: SubmitOptions,
  ): Promise<SubmitOutcome>;
  /** The diagnosis for an admin, as `deliveryView` describes it; `null` for a queued message. */
  diagnose(outcome: SubmitOutcome): Promise<Readonly<Record<string, unknown>> | null>;
  /**
   * Checks that mail can be encrypted to a certificate.
   * @param pem PEM text, chain included in any order.
   * @throws {SealpostError} `invalid_parameter`, which names `certificate`, if none of it can be used for the address.
   */
  assertCertificate(address: string, pem: string): Promise<void>;
  /** Names of the stored definitions. */
  servers(): Promise<readonly string[]>;
}

/** Options of a submission. */
export interface MailOptions {
  /** `code` for a message that is only useful for minutes and must not be delivered twice. Default: `notice`. */
  readonly purpose?: "code" | "notice" | undefined;
  /** Whether to send a queued message again after an unknown outcome. Default: `repeat` for a notice, `stop` for a code. */
  readonly onUnknown?: "repeat" | "stop" | undefined;
  /** 1–255 ASCII characters. For 24 hours, another call with the same key returns the result of the first. */
  readonly idempotencyKey?: string | undefined;
  /** Not sent after this time. Default: the message does not expire. */
  readonly expiresAt?: Date | undefined;
  /** Whether to queue. Default: the definition's `enqueue_job`. */
  readonly queue?: boolean | undefined;
  /** A queued message is not sent before this time. Default: now. */
  readonly sendAt?: Date | undefined;
  /** Encrypts the message, or fails, even if the definition does not encrypt. Default: as the definition says. */
  readonly encrypt?: boolean | undefined;
  /** Queues a message that no one receives, with the same effort: for responses that must not reveal whether one was sent. */
  readonly decoy?: boolean | undefined;
  /**
   * Certificates of recipients as PEM text, by address, for a definition that encrypts. Recipients without one here have
   * that of the user with their address, who is looked up in the directory.
   */
  readonly certificates?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}
