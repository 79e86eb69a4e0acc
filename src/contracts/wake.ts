/**
 * Notifies workers that mail is due. An optimization only: if a wake is lost or rejected, the next sweep finds the
 * message in the outbox.
 */
export interface Wake extends AsyncDisposable {
  readonly name: string;
  /**
   * Called after the commit. Resolves when the wake is passed on. A wake carries IDs, never a message.
   * @param options.notBefore when the message is due. Default: now.
   * @throws if the engine does not accept the wake; the caller logs the error and continues.
   */
  notify(mailIds: readonly string[], options?: { readonly notBefore?: Date }): Promise<void>;
}

/** Receives the wakes of the same engine, from this process or another. */
export interface WakeSource {
  /** Time between two sweeps of a worker, in milliseconds: the delay of a message whose wake was lost. */
  readonly sweepMs: number;
  /**
   * Calls `on` for each wake until the signal is aborted, then resolves. A wake counts as done whatever `on` does, because
   * the outbox is responsible for retries.
   */
  listen(on: (mailId: string) => Promise<void>, options: { readonly signal: AbortSignal }): Promise<void>;
}
