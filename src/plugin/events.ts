import { AsyncLocalStorage } from "node:async_hooks";
import { getLogger } from "@logtape/logtape";
import type { MiddlewareHandler } from "hono";
import { withDeadline } from "../async/abort.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { EventHandler, SealpostEvent } from "../contracts/plugin/events.ts";
import type { AuditActor } from "../domain/audit.ts";
import { SealpostError } from "../errors.ts";
import { eventNameOf } from "../wire/route.ts";
import type { RunInBackground } from "./background.ts";

/** Time limit of an event handler: the same as that of a request. */
const HANDLER_MS = 30_000;
/** Marks the submitter of a message that an event handler submits: its outcome triggers no handlers. */
export const CAUSED_BY_EVENT = " (event)";
/** Name under which a handler receives every event. */
const ALL = "*";

const log = getLogger(["sealpost", "plugin"]);

const REROUTED = "smtpserver_rerouted";

/** An event to emit. Fields that it leaves out are empty. */
type EmittedEvent = Pick<SealpostEvent, "name" | "data"> & Partial<SealpostEvent>;

export interface Events {
  /** Adds the event handlers of a plugin. */
  listen(plugin: string, on: Readonly<Record<string, EventHandler>>): void;
  /** Whether the current work is done by an event handler. */
  isHandling(): boolean;
  /** Starts the handlers and returns immediately. Never throws. */
  emit(event: EmittedEvent): void;
}

/**
 * Creates the event emitter. Handlers run in the background, independent of each other. They trigger no handlers, so that
 * no event can cause another.
 */
export function createEvents(deps: {
  readonly background: RunInBackground;
  readonly platform: Pick<Platform, "now">;
  /** Records that a handler failed. */
  readonly recordFailure: (plugin: string, event: SealpostEvent, info: string) => Promise<void>;
}): Events {
  const { background, platform, recordFailure } = deps;
  const listeners: { readonly plugin: string; readonly name: string; readonly handler: EventHandler }[] = [];
  const handling = new AsyncLocalStorage<true>();

  async function handle(plugin: string, handler: EventHandler, event: SealpostEvent): Promise<void> {
    try {
      const late = () => new SealpostError("too_slow", `The handler did not finish within ${HANDLER_MS} ms`);
      await withDeadline(
        handling.run(true, async () => handler(event)),
        HANDLER_MS,
        late,
      );
    } catch (error) {
      log.error("Plugin {plugin} failed to handle {event}: {error}", { plugin, event: event.name, error });
      await recordFailure(plugin, event, error instanceof SealpostError ? error.code : "internal");
    }
  }

  return {
    listen(plugin, on) {
      for (const [name, handler] of Object.entries(on)) listeners.push({ plugin, name, handler });
    },

    isHandling: () => handling.getStore() === true,

    emit(emitted) {
      if (handling.getStore() || isCausedByEvent(emitted.data)) return;
      const called = listeners.filter(({ name }) => name === ALL || name === emitted.name);
      if (called.length === 0) return;
      const event: SealpostEvent = {
        plugin: "",
        action: "",
        status: null,
        success: true,
        actor: null,
        client: null,
        requestId: "",
        at: platform.now(),
        ...emitted,
      };
      for (const { plugin, handler } of called) background(handle(plugin, handler, event));
    },
  };
}

/** Whether an event is the outcome of a message that an event handler submitted. */
function isCausedByEvent({ submitter }: SealpostEvent["data"]): boolean {
  return typeof submitter === "string" && submitter.endsWith(CAUSED_BY_EVENT);
}

/** Returns the event of a change by which mail of plugins goes elsewhere. */
export function reroutedEvent(
  { administrator, realm, client, requestId }: AuditActor,
  data: object,
): EmittedEvent {
  const actor = administrator === "" ? null : { username: administrator, realm };
  return { name: REROUTED, actor, client: client || null, requestId, data: { ...data } };
}

/** Creates the middleware that emits an event for every API action, once its response is created. */
export function emitActions({ emit }: Pick<Events, "emit">): MiddlewareHandler<Env> {
  return async function emitActions(c, next) {
    await next();
    const action = c.get("auditAction");
    if (!action) return;
    const principal = c.get("principal");
    emit({
      name: eventNameOf(action),
      plugin: c.get("plugin") ?? "",
      action,
      status: c.res.status,
      success: c.res.ok,
      actor: principal ? { username: principal.username, realm: principal.realm } : null,
      client: c.get("clientAddress"),
      requestId: c.get("requestId"),
      data: { ...c.req.param(), ...c.get("auditTarget"), ...c.get("eventData") },
    });
  };
}

/** The events that Sealpost itself emits, in addition to API actions. */
export const CORE_EVENTS = {
  mail_sent: "A mail server accepted a message",
  mail_failed: "A message is not sent, and is not attempted again",
  mail_unknown: "A message may have been sent: the connection was lost after its end",
  circuit_opened: "A mail server is down, and its queued mail is on hold",
  oauth_failed: "A definition gets no access token until an admin changes something",
  certificate_expiring: "A certificate of a definition expires soon",
  [REROUTED]: "Mail of plugins goes elsewhere: a definition, an SMS gateway or a setting was changed",
} as const;
