import { AsyncLocalStorage } from "node:async_hooks";
import { getLogger } from "@logtape/logtape";
import type { MiddlewareHandler } from "hono";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { EventHandler, SealpostEvent } from "../contracts/plugin.ts";
import { SealpostError } from "../errors.ts";
import type { Defer } from "./background.ts";
import { bounded } from "./bounded.ts";
import { eventNameOf } from "./event-names.ts";
import { isOfCausedMail } from "./mail.ts";

/** As long as a request may take. */
const HANDLER_MS = 30_000;
/** Hears every event. */
const ALL = "*";

const log = getLogger(["sealpost", "plugin"]);

/** What is told; the rest is empty. */
export type EmittedEvent = Pick<SealpostEvent, "name" | "data"> & Partial<SealpostEvent>;

export type Events = ReturnType<typeof createEvents>;

/**
 * Who listens, and what is told. Handlers run after what they watch, each by itself; what they do is told to nobody, so
 * that no event can cause another.
 */
export function createEvents(parts: {
  readonly defer: Defer;
  readonly platform: Pick<Platform, "now">;
  /** Writes down that a handler failed. */
  readonly failed: (plugin: string, event: SealpostEvent, info: string) => Promise<void>;
}) {
  const { defer, platform, failed } = parts;
  const listeners: { readonly plugin: string; readonly name: string; readonly handler: EventHandler }[] = [];
  const handling = new AsyncLocalStorage<true>();

  async function handle(plugin: string, handler: EventHandler, event: SealpostEvent): Promise<void> {
    try {
      const late = () => new SealpostError("too_slow", `The handler did not end within ${HANDLER_MS} ms`);
      await bounded(
        handling.run(true, async () => handler(event)),
        HANDLER_MS,
        late,
      );
    } catch (error) {
      log.error("Plugin {plugin} failed to handle {event}: {error}", { plugin, event: event.name, error });
      await failed(plugin, event, error instanceof SealpostError ? error.code : "internal");
    }
  }

  return {
    listen(plugin: string, on: Readonly<Record<string, EventHandler>>): void {
      for (const [name, handler] of Object.entries(on)) listeners.push({ plugin, name, handler });
    },

    /** Whether this is done by a handler: what comes of it later is not to be told either. */
    isHandling: (): boolean => handling.getStore() === true,

    /** Returns at once and never throws. */
    emit(told: EmittedEvent): void {
      if (handling.getStore() || isOfCausedMail(told.data)) return;
      const hearing = listeners.filter(({ name }) => name === ALL || name === told.name);
      if (hearing.length === 0) return;
      const event: SealpostEvent = {
        plugin: "",
        action: "",
        status: null,
        success: true,
        actor: null,
        client: null,
        requestId: "",
        at: platform.now(),
        ...told,
      };
      for (const { plugin, handler } of hearing) defer(handle(plugin, handler, event));
    },
  };
}

/** Tells of every API action, once its answer is made. */
export function emitActions({ emit }: Pick<Events, "emit">): MiddlewareHandler<Env> {
  return async function emitActions(c, next) {
    await next();
    const action = c.get("auditAction");
    if (!action) return;
    const actor = c.get("actor");
    emit({
      name: eventNameOf(action),
      plugin: c.get("plugin") ?? "",
      action,
      status: c.res.status,
      success: c.res.ok,
      actor: actor ? { username: actor.administrator, realm: actor.realm } : null,
      client: c.get("clientAddress"),
      requestId: c.get("requestId"),
      data: { ...c.req.param(), ...c.get("auditTarget"), ...c.get("eventData") },
    });
  };
}
