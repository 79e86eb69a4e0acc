/** How a message is submitted. */
export interface MailOptions {
  /** `code` for a message that is only useful for minutes and must not be delivered twice. Default: `notice`. */
  readonly purpose?: "code" | "notice" | undefined;
  /** Whether to send a queued message again after an unknown outcome. Default: `repeat` for a notice, `stop` for a code. */
  readonly onUnknown?: "repeat" | "stop" | undefined;
  /** 1–255 ASCII characters. A second call with the same key returns the result of the first, for 24 hours. */
  readonly idempotencyKey?: string | undefined;
  /** Not sent after this time. Default: the message does not expire. */
  readonly expiresAt?: Date | undefined;
  /** Whether to queue. Default: the definition's `enqueue_job`. */
  readonly queue?: boolean | undefined;
  /** Queues a message that no one receives, with the same effort: for responses that must not reveal whether one was sent. */
  readonly decoy?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}
