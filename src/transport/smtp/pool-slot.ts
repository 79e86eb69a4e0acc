import type { ServerMemory } from "./server-memory.ts";

/** A connection as the pool knows it. */
export interface PooledConnection {
  /** Whether another message may go through. */
  readonly isUsable: boolean;
  /** Whether the message that {@link PoolSlot.next} gave may go through, and no other. */
  readonly isPrepared: boolean;
  /** Messages given to it so far. */
  readonly messages: number;
  /** Waits for the next message; `onEnd` is called if the connection ends meanwhile. */
  park(onEnd: () => void): void;
  resume(): void;
  /** Ends it politely. Never rejects. */
  quit(): Promise<void>;
}

/** The right to one connection of a key, held while a message is on its way. */
export interface PoolSlot<C extends PooledConnection, M> {
  /** A connection that was waiting; null: open one. */
  readonly idle: C | null;
  /** Whether the key has other connections, open or about to be. */
  readonly hasOthers: boolean;
  /**
   * Reports that the server takes no further connection now, and gives the right back: until a minute has passed the key
   * has no more connections than it has without this one.
   */
  yield(): void;
  /** The message that waits for the connection and gets it with its release; null: none does. */
  next(connection: C): M | null;
  /** Gives the right back, once; the connection, if it is still good, waits for the next message. */
  release(connection: C | null): void;
}

/** Ends a wait for a connection. */
export interface Stoppable {
  readonly stopped: { readonly reason: unknown } | null;
  onStop(listener: (reason: unknown) => void): () => void;
}

export interface AcquireOptions<M> {
  readonly timer: Stoppable;
  /** The result of {@link PoolSlot.next} while this delivery waits; `null` if it may not start. */
  readonly message: () => M | null;
  /** How many connections the key may have; default: the pool's. */
  readonly connections?: number | undefined;
  readonly memory: ServerMemory;
  /** Whether this delivery has had its turn already and yielded. */
  readonly isFirst?: boolean;
}
