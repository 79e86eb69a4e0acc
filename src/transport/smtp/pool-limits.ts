export interface PoolLimits {
  /** Connections per key, unless a delivery sets another number. */
  readonly connections: number;
  /** Maximum number of connections per key that a delivery can set. */
  readonly maxConnections: number;
  /** Connections of all keys together. A new one above it takes the place of the one that is idle longest, or waits. */
  readonly maxConnectionsInAll: number;
  /** Idle time of a connection, until the server turns out to allow less. 0 keeps none. */
  readonly idleMs: number;
  /** Messages after which a connection is closed. */
  readonly messagesPerConnection: number;
}

export const DEFAULT_POOL_LIMITS: PoolLimits = {
  connections: 5,
  maxConnections: 100,
  maxConnectionsInAll: Number.POSITIVE_INFINITY,
  // Postfix, Exim and most providers close after five minutes.
  idleMs: 270_000,
  // The limit of Exim's client. Exim's server closes after 1000. Earlier closes are handled by a new connection.
  messagesPerConnection: 500,
};

/** Elapsed time and timers, passed in so that tests can control them. */
export interface Clock {
  /** Milliseconds, monotonic. */
  nowMs(): number;
  /** Calls back once after `ms` milliseconds, without keeping the process alive. @returns a function that cancels it. */
  after(ms: number, call: () => void): () => void;
}
