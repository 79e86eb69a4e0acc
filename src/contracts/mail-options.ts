/** How a mail is handed in. */
export interface MailOptions {
  /** `code`: of use for minutes, and harmful twice. Default: `notice`. */
  readonly purpose?: "code" | "notice" | undefined;
  /** What to do with queued mail that may have been taken. Default: `repeat` for a notice, `stop` for a code. */
  readonly onUnknown?: "repeat" | "stop" | undefined;
  /** 1–255 characters of ASCII: a second call with the same key gets the answer of the first, for 24 hours. */
  readonly idempotencyKey?: string | undefined;
  /** When the mail loses its use: it is not sent later. */
  readonly expiresAt?: Date | undefined;
  /** Whether to queue. Default: as the definition says (`enqueue_job`). */
  readonly queue?: boolean | undefined;
  /** Queues a mail that nobody gets, with the same effort: for answers that must not tell whether there was one. */
  readonly decoy?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}
