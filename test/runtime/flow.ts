import type { Api } from "../fixtures/process/api.ts";
import type { Environment } from "../fixtures/process/child.ts";

/** `workerd`: the Worker over a libSQL server. `object`: the Worker in a Durable Object. */
export const RUNTIMES = ["Bun", "Deno", "Node", "workerd", "object"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** The settings with which an instance starts. */
export interface Settings {
  /** All settings except address, database, keys and admin, which the fixture sets. */
  readonly env: Environment;
  /** Certificate authorities for mail servers, in PEM. Each runtime has its own way to set them. */
  readonly authorities: readonly string[];
}

/** A running Sealpost, seen from outside. */
export interface Instance extends AsyncDisposable {
  readonly origin: string;
  /** The session of the first admin. */
  readonly admin: Api;
  /** Adds an admin, with the command line if it reaches the database, and logs in as this admin. */
  addAdmin(username: string, password: string): Promise<Api>;
  /** Stops or kills the instance, and starts another with the same settings and data. */
  restart(how?: "killed"): Promise<Instance>;
  /** Runs the cron trigger of each minute on Workers. A server needs none, nor does an object. */
  trigger(): Promise<void>;
}

/** A runtime on which flows run. */
export interface Runtime {
  readonly name: RuntimeName;
  /** Why the runtime cannot be tested here. `null` if it can. */
  readonly obstacle: string | null;
  start(settings: Settings): Promise<Instance>;
}

/** How a flow differs on a runtime. */
export interface Exception {
  readonly because: string;
  /** The check that runs there instead. Absent if there is none. */
  readonly run?: (instance: Instance) => Promise<void>;
}

/** A claim that holds on every runtime: HTTP in, bytes on a mail server's socket out. */
export interface Flow {
  readonly claim: string;
  readonly run: (instance: Instance) => Promise<void>;
  /** Default: `usual`. */
  readonly setup?: Setup;
  /** A program that must be installed. */
  readonly needs?: "openssl";
  /** The object, which is in workerd too, differs as `workerd` does. */
  readonly except?: Readonly<Partial<Record<RuntimeName, Exception>>>;
  /** Whether workerd's exception does not hold for the object. */
  readonly isUsualInObject?: true;
  /** Whether it compares durations, and so needs the machine for itself. No exception compares any. */
  readonly isMeasured?: true;
}

/** Settings of a shared instance. `alone` starts a new one for a flow that changes what others rely on. */
export type Setup = "usual" | "censoring" | "trusting no authority" | "behind a proxy" | "alone";
