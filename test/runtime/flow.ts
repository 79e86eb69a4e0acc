import type { Api } from "../fixtures/process/api.ts";
import type { Environment } from "../fixtures/process/child.ts";

export const RUNTIMES = ["Bun", "Deno", "workerd"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** What an instance is started with. */
export interface Settings {
  /** Everything but address, database, keys and admin, which are the fixture's. */
  readonly env: Environment;
  /** Certificate authorities for mail servers, PEM, by whatever way the runtime has. */
  readonly authorities: readonly string[];
}

/** A Sealpost that runs, as a flow sees it: from outside. */
export interface Instance extends AsyncDisposable {
  readonly origin: string;
  /** The session of the first admin. */
  readonly admin: Api;
  /** Adds an admin by the command line, and logs in as him. */
  addAdmin(username: string, password: string): Promise<Api>;
  /** Ends it, as its owner would or without a word, and starts another with the same settings over the same data. */
  restart(how?: "killed"): Promise<Instance>;
  /** Pulls the cron trigger of each minute, where there is one; a server sends by itself. */
  trigger(): Promise<void>;
}

/** Where flows run. */
export interface Runtime {
  readonly name: RuntimeName;
  /** Why it cannot be tried here; null if it can. */
  readonly obstacle: string | null;
  start(settings: Settings): Promise<Instance>;
}

/** How a runtime is different. */
export interface Exception {
  readonly because: string;
  /** What holds there instead; absent: nothing does. */
  readonly run?: (instance: Instance) => Promise<void>;
}

/** What holds on every runtime: HTTP in, bytes on a mail server's socket out. */
export interface Flow {
  readonly claim: string;
  readonly run: (instance: Instance) => Promise<void>;
  /** Default: `usual`. */
  readonly setup?: Setup;
  /** A program that has to be there. */
  readonly needs?: "openssl";
  readonly except?: Readonly<Partial<Record<RuntimeName, Exception>>>;
}

/** Instances to share; `alone` is a fresh one for each flow, for those that touch what others rely on. */
export type Setup = "usual" | "censoring" | "trusting nobody" | "behind a proxy" | "alone";
