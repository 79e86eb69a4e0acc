/**
 * Says that there is mail to look at. It only speeds things up: the outbox has the mail, and a sweep finds what a
 * lost or refused wake has not told.
 */
export interface Wake extends AsyncDisposable {
  readonly name: string;
  /**
   * Called after the commit. Resolves when the word is given on; what it carries are ids, never a mail.
   * @param options.notBefore when to look; default: at once.
   * @throws when the engine does not take it; the caller logs that and goes on.
   */
  notify(mailIds: readonly string[], options?: { readonly notBefore?: Date }): Promise<void>;
}

/** Hears what a {@link Wake} of the same engine says, in this process or another. */
export interface WakeSource {
  /** How long mail may wait whose wake was lost: the time between two sweeps of a worker, in milliseconds. */
  readonly sweepMs: number;
  /**
   * Calls `on` for each wake until the signal is aborted, then resolves. The engine is told that a wake is done
   * whatever `on` does: trying again is the outbox's business.
   */
  listen(on: (mailId: string) => Promise<void>, options: { readonly signal: AbortSignal }): Promise<void>;
}
