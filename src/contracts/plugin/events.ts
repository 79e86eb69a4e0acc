/** An API action after its response was created, or a fact that a plugin or Sealpost itself emits. */
export interface SealpostEvent {
  /** Such as `token_init` or `mail_failed`. */
  readonly name: string;
  readonly at: Date;
  /** The plugin that emitted it or owns the route. Empty for Sealpost itself. */
  readonly plugin: string;
  /** `METHOD /route/<parameter>` of an API action; otherwise empty. */
  readonly action: string;
  /** HTTP status of an API action's response; otherwise `null`. */
  readonly status: number | null;
  readonly success: boolean;
  /** The admin who made the request; `null` if there is none. */
  readonly actor: { readonly username: string; readonly realm: string } | null;
  /** IP address of the client; `null` if there is none or it is unknown. */
  readonly client: string | null;
  readonly requestId: string;
  /**
   * Never contains a secret, a code or a body. For an API action: the path parameters, and what the route sets with
   * `c.set("eventData", …)`. Customary names are `user` and `realm` (the owner), `serial`, `tokentype` and
   * `authentication`.
   */
  readonly data: Readonly<Record<string, unknown>>;
}
export type EventHandler = (event: SealpostEvent) => Promise<void> | void;

/** Emits events. */
export interface PluginEvents {
  /** Emits an event, whose name must be listed in `events` of the definition. Handlers run afterwards. */
  emit(name: string, data: Readonly<Record<string, unknown>>): void;
  /** Every event name: of API actions, of plugins and of Sealpost itself. */
  names(): readonly string[];
}
