import { DurableObject } from "cloudflare:workers";
import { getLogger } from "@logtape/logtape";
import type { Config } from "../../config.ts";
import type { Scrypt } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import type { PluginWork } from "../../plugin/work.ts";
import { internalsOf } from "../../sealpost.ts";
import { type Keyring, parseKeyring } from "../../secrets/keyring.ts";
import { openObjectDatabase } from "../../storage/durable/connect.ts";
import { changesOf, createQueueClock, WHILE_SENDING_MS } from "../../storage/durable/queue-clock.ts";
import { type Bindings, parseBindings } from "./bindings.ts";
import { FRONT, type Served } from "./front.ts";
import { FrontScrypt } from "./front-scrypt.ts";
import { createWorkerInstance, type WorkerInstance } from "./instance.ts";
import { createInvocations, drain } from "./invocations.ts";
import { unavailable } from "./unavailable.ts";

/** The time that a request or an alarm has for mail: an alarm is ended after 15 minutes. */
const WORK_MS = 14 * 60_000;
const DAY_MS = 24 * 3_600_000;
/** An alarm waits this long for its work, which then goes on, so that it does not hold up the next alarm. */
const ALARM_MS = 2_000;
/** Bound of a start. After 30 s, the platform would end the object, and no log would say why. */
const START_MS = 25_000;
/** A start that failed is not repeated sooner. */
const REPEAT_MS = 2_000;
/** The object's own values, outside the tables of the instance: when the daily work was done last, … */
const PRUNED_AT = "prunedAt";
/** … and when it was first planned. */
const PLANNED_AT = "plannedAt";
/** Wait before the next alarm after one that failed, or whose work goes on. */
const AFTER_FAILURE_MS = 60_000;
/** Wait before the daily work is tried again. */
const AFTER_FAILED_PRUNE_MS = 3_600_000;
/** Requests that wait for a password hash of their front. Each front has a thread of its own. */
const MAX_HASHES = 4;

/** URLs of tests of definitions. */
const TEST = /\/send_test_email\b/;

const log = getLogger(["sealpost", "entry"]);
/** The settings of an isolate, which are those of every object that it creates. */
const settings = new WeakMap<Bindings, Settings>();

interface Settings {
  readonly config: Config;
  readonly keyring: Keyring;
}

/** A whole instance with its database. Its alarm is the clock of queued mail and of the daily work. */
export class Sealpost extends DurableObject implements Served {
  readonly #database = openObjectDatabase(this.ctx.storage, (texts) => this.#onCommit(texts));
  readonly #clock = createQueueClock(this.#database);
  readonly #frontScrypt = new FrontScrypt();
  readonly #invocations;
  /** Milliseconds since the Unix epoch; infinite if no alarm is set, or none is known. */
  #alarmAt = Number.POSITIVE_INFINITY;
  /** Commits that may have changed when work is due, and how many of them the alarm takes into account. */
  #changes = 0;
  #armedChanges = -1;
  #changesWork = changesOf([]);
  #pluginWork: Pick<PluginWork, "nextAt" | "abandonLeases"> | null = null;
  /** A restore replaces it. */
  #started: WorkerInstance | null = null;
  /** The last start, if it failed, and when, in milliseconds since the Unix epoch. */
  #failure: { readonly error: unknown; readonly at: number } | null = null;
  #isPruning = false;

  constructor(ctx: DurableObject["ctx"], bindings: Bindings) {
    super(ctx, bindings);
    this.#invocations = createInvocations(bindings, () => ({
      ...settingsOf(bindings),
      create: (config, restart) => {
        const place = {
          keyring: settingsOf(bindings).keyring,
          database: this.#database,
          isObject: true,
          scrypt: this.#frontScrypt.scrypt,
          maxHashes: MAX_HASHES,
          beforePlugins: () => this.#abandonLeases(),
        } as const;
        const instance = createWorkerInstance(config, place, restart);
        const { work } = internalsOf(instance.sealpost).services.plugins;
        this.#pluginWork = work;
        this.#changesWork = changesOf(work.plugins);
        return { ...instance, ready: () => this.#start(instance) };
      },
    }));
  }

  /**
   * Starts the instance unless it has started. During the first start the object receives nothing else. Requests that
   * waited for a start that failed fail with it: if each of them started the instance again, the last would wait for all.
   */
  async #start(instance: WorkerInstance): Promise<void> {
    if (this.#started === instance) return;
    if (this.#failure !== null && Math.abs(Date.now() - this.#failure.at) < REPEAT_MS)
      throw this.#failure.error;
    const start = async () => {
      try {
        if (this.#started === instance) return null;
        const isLate = instance.ready().then(() => false);
        if (await within(START_MS, isLate, true)) throw slowStart();
        this.#started = instance;
        return null;
      } catch (error) {
        // Thrown in here, it would end the object, and the response would not show it.
        return { error, at: Date.now() };
      }
    };
    // After a restore, calls of the instance before are still under way, and their timers have to fire.
    const failed = await (this.#started === null ? this.ctx.blockConcurrencyWhile(start) : start());
    this.#failure = failed;
    if (failed !== null) throw failed.error;
  }

  /** The object is the only worker, so nothing that is leased at its start is being sent. */
  async #abandonLeases(): Promise<void> {
    if (this.#started !== null) return;
    if (await this.#clock.hasLeases()) await this.#database.commit(this.#clock.abandonLeases(new Date()));
    await this.#pluginWork?.abandonLeases();
  }

  fetch(request: Request): Promise<Response> {
    return this.serve(request);
  }

  async serve(request: Request, scrypt?: Scrypt, hold?: () => Promise<void>): Promise<Response> {
    try {
      return await this.#run(WORK_MS, (instance) =>
        this.#frontScrypt.run(scrypt, () => instance.fetch(abortable(request, hold))),
      );
    } catch (error) {
      return unavailable(error);
    }
  }

  /** Sends queued mail that is due, and once a day deletes rows past their retention. */
  async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    // The platform gives up an alarm that fails seven times, so none may fail for its work. If it ends the object, another one follows.
    if (this.#started === null) await this.#setAlarm(Date.now() + AFTER_FAILURE_MS);
    const started = Promise.withResolvers<void>();
    const work = this.#run(WORK_MS, (instance) => {
      started.resolve();
      return this.#work(instance);
    }).then(
      () => false,
      (error) => {
        log.error("The work of an alarm failed: {error}", { error });
        return true;
      },
    );
    // A timer that came due while the object starts would hold up every timer of the start.
    await Promise.race([started.promise, work]);
    const failed = await within(ALARM_MS, work, false);
    // Without an instance, nothing knows when its plugins have work.
    if (failed) await this.#setAlarm(Date.now() + AFTER_FAILURE_MS);
    else await this.#arm();
    // The platform repeats an alarm that fails, six times.
    if (this.#alarmAt === Number.POSITIVE_INFINITY) throw new Error("No other alarm could be set");
  }

  async #work(instance: WorkerInstance): Promise<void> {
    await drain(instance);
    await this.#prune(instance).catch((error) => log.error("The daily work failed: {error}", { error }));
  }

  /** Does the daily work once a day. The date is stored, because an idle object ends and starts again for the next message. */
  async #prune(instance: WorkerInstance): Promise<void> {
    const { storage } = this.ctx;
    const now = Date.now();
    const prunedAt = (await storage.get<number>(PRUNED_AT)) ?? 0;
    if (this.#isPruning || (now - prunedAt < DAY_MS && prunedAt <= now)) return;
    this.#isPruning = true;
    try {
      await instance.prune();
      await storage.put(PRUNED_AT, now);
    } catch (error) {
      await storage.put(PRUNED_AT, now - DAY_MS + AFTER_FAILED_PRUNE_MS);
      throw error;
    } finally {
      this.#isPruning = false;
    }
  }

  #run<T>(timeMs: number, work: (instance: WorkerInstance) => T | Promise<T>): Promise<T> {
    const waitUntil = (end: Promise<unknown>) => this.ctx.waitUntil(end.then(() => this.#armIfChanged()));
    return this.#invocations.inInvocation({ waitUntil }, timeMs, work);
  }

  /** Runs in the transaction, so that the alarm is stored with the work. If it cannot be set, the end of the request sets one. */
  #onCommit(statements: readonly string[]): void {
    if (!statements.some((sql) => this.#changesWork.test(sql))) return;
    this.#changes++;
    const at = Date.now() + WHILE_SENDING_MS;
    if (at < this.#alarmAt) void this.#setAlarm(at);
  }

  /** After a start that failed it reads nothing: the next start would wait for the database, and the read for that start. */
  async #armIfChanged(): Promise<void> {
    if (this.#started !== null && this.#armedChanges < this.#changes) await this.#arm();
  }

  /** Sets the alarm to the time when the next work is due. An alarm that is right stays: to set it would be a write. */
  async #arm(): Promise<void> {
    const changes = this.#changes;
    this.#armedChanges = changes;
    const now = Date.now();
    const reads = [
      this.#clock.nextAt(now),
      this.#pluginWork?.nextAt(now) ?? Number.POSITIVE_INFINITY,
      this.#dailyWorkAt(now),
    ];
    const times = await Promise.all(reads).catch((error) => {
      log.error("Cannot read when work is due: {error}", { error });
      return [now + AFTER_FAILURE_MS];
    });
    const at = Math.max(now, Math.min(...times));
    const isSet = at === (await this.ctx.storage.getAlarm());
    // A commit since then has set an alarm itself, which this one must not delay.
    if (this.#changes !== changes) return;
    if (isSet) this.#alarmAt = at;
    else await this.#setAlarm(at);
  }

  /** Returns when the daily work is due next. Every start finds the same time, so that frequent requests do not delay it. */
  async #dailyWorkAt(now: number): Promise<number> {
    const { storage } = this.ctx;
    // It may take longer than its alarm waits for it. If the object ends meanwhile, another alarm resumes it.
    if (this.#isPruning) return now + AFTER_FAILURE_MS;
    const since = (await storage.get<number>(PRUNED_AT)) ?? (await storage.get<number>(PLANNED_AT));
    if (since === undefined) await storage.put(PLANNED_AT, now);
    // A date in the future is that of a clock that was ahead.
    return since !== undefined && since > now ? now : (since ?? now) + DAY_MS;
  }

  /** Never rejects: where no alarm can be set, the work goes on. */
  async #setAlarm(at: number): Promise<void> {
    this.#alarmAt = at;
    try {
      await this.ctx.storage.setAlarm(at);
    } catch (error) {
      log.error("Cannot set an alarm: {error}", { error });
      // The next commit or request sets one.
      this.#alarmAt = Number.POSITIVE_INFINITY;
      this.#armedChanges = -1;
    }
  }
}

/** Gives the request of a test, which may hold a connection for minutes, a signal that is aborted when its client hangs up. */
function abortable(request: Request, hold?: () => Promise<void>): Request {
  if (hold === undefined || !TEST.test(request.url)) return request;
  const client = new AbortController();
  hold().catch(() => client.abort());
  return new Request(request, { signal: client.signal });
}

/** @throws {SealpostError} `bad_setting`. */
function settingsOf(bindings: Bindings): Settings {
  const known = settings.get(bindings);
  if (known !== undefined) return known;
  const config = parseBindings(bindings, "object");
  const parsed = { config, keyring: parseKeyring(config.keys.reveal()) };
  settings.set(bindings, parsed);
  return parsed;
}

/** Returns the result of the work, or another value after this time. */
async function within<T>(timeMs: number, work: Promise<T>, otherwise: T): Promise<T> {
  const late = Promise.withResolvers<T>();
  const timer = setTimeout(late.resolve, timeMs, otherwise);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function slowStart(): SealpostError {
  const message = `This instance did not start within ${START_MS / 1_000} s: see its log`;
  return new SealpostError("database_unavailable", message, { retryAfterSeconds: AFTER_FAILURE_MS / 1_000 });
}

export default FRONT;
