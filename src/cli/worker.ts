import { getLogger } from "@logtape/logtape";
import { Command } from "commander";
import { parseConfig } from "../config.ts";
import type { LocalInstance } from "../runtime/local/drivers.ts";
import { CUT_MAIL_AFTER_MS, requireOwnDrivers, STOP_WITHIN_MS } from "../runtime/local/server.ts";
import { stopSignal } from "../runtime/local/stop-signal.ts";
import { withInstance } from "./session.ts";

const log = getLogger(["sealpost", "worker"]);

/** `worker`: what a server does beside its interface, as a process of its own. */
export function workerCommand(): Command {
  return new Command("worker")
    .description("Send queued mail until SIGTERM or SIGINT; several may run at once on one database")
    .action(async () => {
      requireOwnDrivers(parseConfig(process.env));
      // From here on: a signal during the start would otherwise end it wherever it is.
      const stopping = stopSignal(process);
      await withInstance((instance) => work(instance, stopping));
    });
}

async function work({ services, cutMail, mailCut }: LocalInstance, stopping: Promise<string>): Promise<void> {
  const stop = new AbortController();
  const working = services.work(stop.signal, mailCut);
  log.info("Sending queued mail as process {pid}", { pid: process.pid });
  // It ends by itself only when it cannot work.
  const signal = await Promise.race([stopping, working]);
  log.info("Stopping on {signal}", { signal });
  stop.abort();
  const cutting = setTimeout(cutMail, CUT_MAIL_AFTER_MS);
  // Also for what is closed afterwards.
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  await working;
  clearTimeout(cutting);
}
