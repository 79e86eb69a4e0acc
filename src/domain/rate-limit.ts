/** At most `max` events under a key within a window. */
export interface RateLimit {
  /** Identifies what is counted, such as `mail:ann@example.org`. Plugins' keys are stored as keyed hashes. */
  readonly key: string;
  readonly max: number;
  readonly windowSeconds: number;
}
