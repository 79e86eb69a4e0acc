import { Log, LogLevel, Miniflare } from "miniflare";
import { SealpostError } from "../../src/errors.ts";
import type { WorkerBundle } from "./build.ts";

/** As in `wrangler.jsonc`; a test compares the two. */
export const COMPATIBILITY_DATE = "2026-07-30";
export const COMPATIBILITY_FLAGS = ["nodejs_compat"];

/** Local name of the queue of wakes. */
const QUEUE_NAME = "sealpost-wakes";

/** Path that runs `scheduled`, in Miniflare as in `wrangler dev`. */
const SCHEDULED_PATH = "/cdn-cgi/handler/scheduled";

/** As in the example of `wrangler.jsonc`; a test compares the two. */
export const QUEUES = {
  queueProducers: { WAKES: { queueName: QUEUE_NAME } },
  queueConsumers: { [QUEUE_NAME]: { maxBatchSize: 100, maxBatchTimeout: 0, maxRetries: 0 } },
};

/** The namespace of the Worker that keeps its database in a Durable Object. */
export const OBJECTS = {
  durableObjects: { OBJECT: { className: "Sealpost", useSQLite: true } },
} as const satisfies Services;

interface ObjectClass {
  readonly className: string;
  readonly useSQLite: true;
  /** Name of the Worker that exports it. Default: this one. */
  readonly scriptName?: string;
}

/** Bindings in Miniflare's own form. */
export interface Services {
  readonly queueProducers?: Record<string, { readonly queueName: string }>;
  readonly queueConsumers?: Record<string, object>;
  readonly serviceBindings?: Record<string, () => object>;
  /** Classes of Durable Objects that the main module exports, or that of another Worker of the registry. */
  readonly durableObjects?: Record<string, ObjectClass>;
  /** Folder by which Workers in several processes find each other, and the name of this one. */
  readonly unsafeDevRegistryPath?: string;
  readonly name?: string;
  /** Folder that keeps their data. Default: a temporary one. */
  readonly durableObjectsPersist?: string;
}

export interface ServeWorkerOptions {
  readonly bundle: Pick<WorkerBundle, "modules">;
  readonly bindings: Readonly<Record<string, string>>;
  readonly host?: string;
  /** Default, and if 0: a free port. */
  readonly port?: number;
  /** Certificate authorities (PEM) to trust in addition to the usual ones. Cloudflare itself offers no such option. */
  readonly authorities?: readonly string[];
  /** Bindings that are not strings, such as {@link QUEUES}, and their consumers. */
  readonly services?: Services | undefined;
  /** Folder of static assets, which the Worker does not see requests for. Default: none. */
  readonly assets?: string;
  /** Receives each line that the Worker writes to its console. */
  readonly onLine?: (line: string) => void;
}

/** A Worker in workerd, on this machine. */
export interface ServedWorker extends AsyncDisposable {
  readonly url: URL;
  /**
   * Runs its `scheduled`; rejects if that fails.
   * @param cron the trigger, such as `* * * * *`. Default: an empty string.
   */
  runScheduled(cron?: string): Promise<void>;
}

/** @throws {SealpostError} `bad_setting` if the address cannot be listened on. */
export async function serveWorker(options: ServeWorkerOptions): Promise<ServedWorker> {
  const {
    bundle,
    bindings,
    host = "127.0.0.1",
    port = 0,
    authorities = [],
    services,
    assets,
    onLine,
  } = options;
  // Held back until it listens. If it does not, the first line has the reason, and the others workerd's stack.
  const early: string[] = [];
  let write = (line: string): void => void early.push(line);
  let isDisposed = false;
  const miniflare = new Miniflare({
    host,
    port,
    modules: bundle.modules.map(({ name, text }) => ({ type: "ESModule", path: name, contents: text })),
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: COMPATIBILITY_FLAGS,
    bindings: { ...bindings },
    ...services,
    ...(assets !== undefined && { assets: { directory: assets, routerConfig: { has_user_worker: true } } }),
    outboundService: {
      network: {
        // Also mail servers and databases on this machine.
        allow: ["public", "private"],
        tlsOptions: { trustBrowserCas: true, trustedCertificates: [...authorities] },
      },
    },
    // Otherwise Miniflare fetches a sample of the properties that Cloudflare reports about clients.
    cf: false,
    unsafeTriggerHandlers: true,
    telemetry: { enabled: false },
    log: new Log(LogLevel.NONE),
    handleStructuredLogs: ({ message }: { readonly message: string }) => {
      write(message);
    },
  });
  try {
    const url = await miniflare.ready;
    write = onLine ?? (() => undefined);
    early.forEach(write);
    return {
      url,
      async runScheduled(cron = "") {
        const response = await fetch(new URL(`${SCHEDULED_PATH}?cron=${encodeURIComponent(cron)}`, url));
        if (!response.ok) throw new Error(`The scheduled event failed: ${await response.text()}`);
      },
      async [Symbol.asyncDispose]() {
        // Miniflare can be disposed of once.
        if (isDisposed) return;
        isDisposed = true;
        await miniflare.dispose();
      },
    };
  } catch (cause) {
    await miniflare.dispose().catch(() => undefined);
    const [reason] = early[0]?.split("\n") ?? [];
    const message = `HOST, PORT: workerd does not listen on ${host}:${port}; ${reason ?? "is it in use?"}`;
    throw new SealpostError("bad_setting", message, { cause });
  }
}
