import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { GenericSchema, InferInput, InferOutput } from "valibot";
import type { KeptTable, Migration, WriteStatement } from "../database.ts";
import type { Route } from "../route.ts";
import type { Capabilities, CapabilityName, PluginContext } from "./context.ts";
import type { EventHandler } from "./events.ts";
import type { SealedColumns } from "./secrets.ts";
import type { Settings } from "./settings.ts";

/** The bounds of a drain. */
export interface DrainBounds {
  /** Aborted when the process stops: start nothing more. */
  readonly signal: AbortSignal;
  /** Time that is left, in milliseconds; infinite for a worker. */
  readonly timeLeftMs: () => number;
  /** Whether to open one connection at a time, because the platform bounds them. */
  readonly isSequential: boolean;
}

/** A plugin after its `setup`. */
export interface PluginInstance {
  /** Routes that `route` built. None may have a path that Sealpost or another plugin has. */
  readonly routes?: readonly Route[];
  /** Handlers by event name; `*` receives every event. They run after the response, and trigger no handlers themselves. */
  readonly on?: Readonly<Record<string, EventHandler>>;
  /** The capabilities listed in `provides` of the definition. */
  readonly provides?: Partial<Capabilities>;
  /** SMTP servers that are named outside of settings, such as in a table. */
  readonly servers?: () => Promise<readonly string[]>;
  /** The same for SMS gateways. */
  readonly gateways?: () => Promise<readonly string[]>;
  /**
   * Runs at every start, after the migrations and before the first request. If it fails or takes more than 30 s, the
   * instance does not start.
   */
  readonly start?: () => Promise<void>;
  /**
   * Does the work that is due, such as requests to be repeated: where a worker runs, every few seconds and after `wake`;
   * otherwise by `sealpost.drain()`. It may run several times at once, in this process and in others: lease what it takes.
   */
  readonly drain?: (bounds: DrainBounds) => Promise<void>;
  /**
   * Returns when the next work of `drain` is due; `null` if none waits. A Durable Object sleeps until then. It asks after
   * each commit to a table of this plugin. Absent: it runs `drain` each minute.
   */
  readonly nextDueAt?: () => Promise<Date | null>;
  /**
   * Returns the statements that end every lease, of `drain` or of a request. A Durable Object commits them when it starts, before
   * `start`: it is the only worker of its database, so an object that has ended left them. If that fails, it is logged.
   * Absent: they expire.
   */
  readonly abandonLeases?: () => readonly WriteStatement[];
  /** Runs once a day: deletes old rows. */
  readonly prune?: () => Promise<void>;
  /** Runs at shutdown, in reverse order of the setup. */
  readonly close?: () => Promise<void>;
}

export interface PluginDefinition<S extends GenericSchema, K extends Settings> {
  /** Lowercase letters, digits and `-`, such as `email-token`. */
  readonly name: string;
  /** An object schema. Options that it does not name are rejected. */
  readonly options: S;
  /** Drizzle tables. Their SQL names start with the plugin's name, with `_` for `-`. */
  readonly tables?: Readonly<Record<string, SQLiteTable>>;
  /** Tables that change rarely: `store.kept` returns their rows without a read of its own. */
  readonly kept?: readonly KeptTable<unknown>[];
  /** Names such as `0001_tokens`, separate from those of other plugins. A published one is never edited. */
  readonly migrations?: readonly Migration[];
  /** Rights, and what each allows. */
  readonly rights?: Readonly<Record<string, string>>;
  /** Settings that an admin can change at run time, by the names that clients know. */
  readonly settings?: (options: InferOutput<S>) => K;
  readonly sealed?: readonly SealedColumns[];
  /**
   * Columns with the times when the work of `drain` is due, in milliseconds since the Unix epoch; `null` where it is done.
   * A restore holds this work as it holds mail: it adds `HOLD_MS`, which a release of the queue subtracts. Leave out what is
   * due at that time or later.
   */
  readonly dueTimes?: readonly SQLiteColumn[];
  /**
   * Tables whose rows may be lost, and that requests without a login fill before anything is set up, such as attempts.
   * Their rows do not keep a restore from this database.
   */
  readonly transient?: readonly SQLiteTable[];
  /** Capabilities that it cannot work without. */
  readonly requires?: readonly CapabilityName[];
  /** Capabilities that it uses if a plugin provides them. */
  readonly optional?: readonly CapabilityName[];
  readonly provides?: readonly CapabilityName[];
  /** Names of the events that it emits. */
  readonly events?: readonly string[];
  /** Builds everything, without I/O. */
  readonly setup: (ctx: PluginContext<K>, options: InferOutput<S>) => PluginInstance;
}

/** A plugin with its options, ready to register: `createSealpost({ plugins: [emailToken({ … })] })`. */
export interface Plugin
  extends Omit<PluginDefinition<GenericSchema, Settings>, "options" | "settings" | "setup"> {
  /** Validates the options. @returns the problems with them, or what to set up. */
  validate(): { readonly problems: readonly string[] } | ValidOptions;
}

/** Valid options, bound to the settings and the setup that they result in. */
export interface ValidOptions {
  readonly problems: readonly [];
  readonly settings: Settings;
  readonly setup: (ctx: PluginContext) => PluginInstance;
}

/** Creates a plugin from its options. Returned by `definePlugin`. */
export type PluginFactory<S extends GenericSchema> = (
  ...options: Record<never, never> extends InferInput<S>
    ? [options?: InferInput<S>]
    : [options: InferInput<S>]
) => Plugin;
