import { DurableObject } from "cloudflare:workers";
import { getLogger } from "@logtape/logtape";
import type { Scrypt } from "../../contracts/platform.ts";
import { openObjectDatabase } from "../../storage/durable/connect.ts";
import { createOutboxRepository } from "../../storage/outbox.ts";
import { type Bindings, parseBindings } from "./bindings.ts";
import { FRONT, type Served } from "./front.ts";
import { FrontScrypt } from "./front-scrypt.ts";
import { createWorkerInstance, type WorkerInstance } from "./instance.ts";
import { createInvocations, drain } from "./invocations.ts";
import { unavailable } from "./unavailable.ts";

/** The time that a request or an alarm has for mail: an alarm is ended after 15 minutes. */
const WORK_MS = 14 * 60_000;
const DAY_MS = 24 * 3_600_000;
/** The request that queues a message usually sends it. If the object ends before that, an alarm does. */
const AFTER_REQUEST_MS = 30_000;
/** Mail that is due but could not be sent yet, because of a limit of its server. */
const BLOCKED_MS = 1_000;
/** A statement that changes when mail is due. */
const CHANGES_MAIL = /^\s*(?:insert into|update)\s+"?mail"?\s/i;
/** Requests that wait for a password hash of their front. Each front has a thread of its own. */
const MAX_HASHES = 4;

const log = getLogger(["sealpost", "entry"]);

/** A whole instance with its database. Its alarm is the clock of queued mail and of the daily work. */
export class Sealpost extends DurableObject implements Served {
  readonly #database = openObjectDatabase(this.ctx.storage, (sql) => this.#onStatement(sql));
  readonly #outbox = createOutboxRepository(this.#database);
  readonly #frontScrypt = new FrontScrypt();
  readonly #invocations;
  /** Milliseconds since the Unix epoch; infinite if no alarm is set, or none is known. */
  #alarmAt = Number.POSITIVE_INFINITY;
  #hasChangedMail = true;
  #prunedAt = 0;

  constructor(ctx: DurableObject["ctx"], bindings: Bindings) {
    super(ctx, bindings);
    this.#invocations = createInvocations(bindings, () => ({
      config: parseBindings(bindings, "object"),
      create: (config) =>
        createWorkerInstance(config, {
          database: this.#database,
          isObject: true,
          scrypt: this.#frontScrypt.scrypt,
          maxHashes: MAX_HASHES,
        }),
    }));
  }

  async serve(request: Request, scrypt?: Scrypt): Promise<Response> {
    try {
      return await this.#run(WORK_MS, ({ sealpost }) =>
        this.#frontScrypt.run(scrypt, async () => sealpost.app.fetch(request, {})),
      );
    } catch (error) {
      return unavailable(error);
    }
  }

  /** Sends queued mail that is due, and once a day deletes rows past their retention. */
  async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    // The platform gives up an alarm that fails seven times, so none may fail.
    await this.#run(WORK_MS, (instance) => this.#work(instance)).catch((error) =>
      log.error("The work of an alarm failed: {error}", { error }),
    );
    await this.#arm();
  }

  async #work(instance: WorkerInstance): Promise<void> {
    const now = Date.now();
    if (now - this.#prunedAt >= DAY_MS) {
      this.#prunedAt = now;
      await instance.sealpost.prune();
    }
    await drain(instance);
  }

  #run<T>(timeMs: number, work: (instance: WorkerInstance) => T | Promise<T>): Promise<T> {
    const waitUntil = (end: Promise<unknown>) =>
      this.ctx.waitUntil(end.then(() => (this.#hasChangedMail ? this.#arm() : undefined)));
    return this.#invocations.inInvocation({ waitUntil }, timeMs, work);
  }

  /** Runs in the transaction of the commit, so no message is stored without an alarm. */
  #onStatement(sql: string): void {
    if (!CHANGES_MAIL.test(sql)) return;
    this.#hasChangedMail = true;
    const at = Date.now() + AFTER_REQUEST_MS;
    if (at < this.#alarmAt) void this.#setAlarm(at);
  }

  /** Sets the alarm to the time when the next message is due, or to the next day. */
  async #arm(): Promise<void> {
    this.#hasChangedMail = false;
    const queues = await this.#outbox.listQueues();
    const now = Date.now();
    const dueAt = Math.min(...queues.map((queue) => Math.max(queue.dueAt, queue.openUntil ?? 0)));
    await this.#setAlarm(dueAt <= now ? now + BLOCKED_MS : Math.min(dueAt, now + DAY_MS));
  }

  #setAlarm(at: number): Promise<void> {
    this.#alarmAt = at;
    return this.ctx.storage.setAlarm(at);
  }
}

export default FRONT;
