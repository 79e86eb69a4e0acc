import type { Context } from "hono";
import type { Directory } from "../directory.ts";
import type { Env } from "../env.ts";
import type { Sms } from "../sms.ts";
import type { PluginAudit } from "./audit.ts";
import type { PluginEvents } from "./events.ts";
import type { PluginHttp } from "./http.ts";
import type { PluginLimits } from "./limits.ts";
import type { PluginMail } from "./mail.ts";
import type { PluginSecrets } from "./secrets.ts";
import type { PluginSettings, Settings } from "./settings.ts";
import type { PluginStore } from "./store.ts";

/**
 * The capabilities of a plugin, grouped by what they touch. A function takes the groups that it needs:
 * `({ store, time }: Pick<PluginContext, "store" | "time">)`. In `setup` only `capabilities` may be used: no I/O yet.
 */
export interface PluginContext<S extends Settings = Settings> {
  /** Name of the plugin. */
  readonly name: string;
  readonly mail: PluginMail;
  readonly http: PluginHttp;
  readonly store: PluginStore;
  readonly settings: PluginSettings<S>;
  readonly guard: PluginGuard;
  readonly audit: PluginAudit;
  readonly secrets: PluginSecrets;
  readonly limits: PluginLimits;
  readonly events: PluginEvents;
  readonly capabilities: PluginCapabilities;
  readonly time: PluginTime;
  readonly random: PluginRandom;
  readonly log: PluginLog;
  /**
   * Does the work of a request once per `Idempotency-Key`, for 24 hours: a second request with the same key gets the
   * response of the first. Without the header it just does the work. A route that submits one message and returns its
   * outcome can use `idempotencyKey` of `submit` instead.
   * @param content what the request is about; only a keyed hash of it is stored.
   * @param work returns the response to store: JSON without secrets.
   * @throws {SealpostError} `conflict` for the same key with other content, or while the first request is in progress.
   */
  idempotent<T>(c: Context<Env>, content: unknown, work: () => Promise<T>): Promise<T>;
  /** Lets work continue after the response. A rejection is logged. */
  background(work: Promise<unknown>): void;
  /** Asks for `drain` soon: by the worker of this process, or after the work of this invocation of a Worker. */
  wake(): void;
  /** `SEALPOST_BASE_URL` without its final slash, or empty if not set. Links are never built from the Host header. */
  readonly baseUrl: string;
}

interface PluginTime {
  now(): Date;
}

export interface PluginRandom {
  bytes(length: number): Uint8Array<ArrayBuffer>;
  /** Characters of an alphabet, each equally likely: `random.text(6, "0123456789")`. */
  text(length: number, alphabet: string): string;
  /** A new UUID. */
  id(): string;
}

/** `text` may contain properties: `log.warning("No such {thing}", { thing })`. Never a secret. */
export interface PluginLog {
  info(text: string, properties?: Readonly<Record<string, unknown>>): void;
  warning(text: string, properties?: Readonly<Record<string, unknown>>): void;
  error(text: string, properties?: Readonly<Record<string, unknown>>): void;
}

/**
 * Objects that one plugin provides and others use, by name. A plugin adds its own:
 * `declare module "sealpost/plugin" { interface Capabilities { push: Push } }`.
 */
export interface Capabilities {
  directory: Directory;
  sms: Sms;
}
export type CapabilityName = keyof Capabilities & string;

/** The capabilities of other plugins. These are the only functions of a context that `setup` may call. */
export interface PluginCapabilities {
  /** Returns a capability of another plugin. The name must be listed in `requires`. */
  use<N extends CapabilityName>(name: N): Capabilities[N];
  /** The same for a name listed in `optional`; returns `null` if no plugin provides it. */
  find<N extends CapabilityName>(name: N): Capabilities[N] | null;
}

/** Options for the check of a right. */
export interface RightOptions {
  /**
   * For a route whose first step is a read: the right is checked against the admins and policies that this process has in
   * memory, and that read proves that they are current.
   */
  readonly isProvedByRead?: boolean;
}

/** Authorizes requests to open routes; `right` of a route's declaration guards the others. */
interface PluginGuard {
  /** Whether the request comes from an admin with this right. For open routes that show admins more detail. Never throws. */
  isAllowed(c: Context<Env>, right: string, options?: RightOptions): Promise<boolean>;
  /** Names of all admins, without their realms. */
  adminNames(): Promise<readonly string[]>;
  /**
   * Authorizes a change of an SMS gateway by which codes go elsewhere. If a plugin uses the gateway, it also needs the
   * right `smtpserver_route` once an active policy names that. The commits of the request depend on it.
   * @param change names of the changed options, comma-separated, or `created` or `deleted`. Empty if codes go where they went.
   * @throws {SealpostError} `action_denied`.
   */
  rerouteGateway(c: Context<Env>, gateway: string, change: string): Promise<PluginReroute>;
  /**
   * The same for a change by which some codes of this plugin go elsewhere, such as those of one token.
   * @param identifier the subject of the change, for the event.
   */
  rerouteOwn(c: Context<Env>, identifier: string, change: string): Promise<PluginReroute>;
}

/** A change of where codes go that may be made. */
interface PluginReroute {
  /** Names of the plugins whose codes go elsewhere. */
  readonly usedBy: readonly string[];
  /** For the audit row. Empty if the change concerns no plugin. */
  readonly info: string;
  /** Emits the event `smtpserver_rerouted`, once the change is committed. */
  report(): void;
}
