import { getLogger } from "@logtape/logtape";
import { Command } from "commander";
import { parseConfig } from "../config.ts";
import { assertLocalDrivers, STOP_WITHIN_MS } from "../runtime/local/server.ts";
import { stopSignal } from "../runtime/local/stop-signal.ts";
import { internalsOf } from "../sealpost.ts";
import { withInstance } from "./session.ts";

const log = getLogger(["sealpost", "worker"]);

/** `worker`: the queue worker of a server, as a process of its own. */
export function workerCommand(): Command {
  return new Command("worker")
    .description("Send queued mail until SIGTERM or SIGINT; several workers may share one database")
    .action(async () => {
      assertLocalDrivers(parseConfig(process.env));
      // Listen for signals now: one that arrives during the start would end the process wherever it is.
      const stopping = stopSignal(process);
      await withInstance(
        async ({ sealpost }) => {
          const working = internalsOf(sealpost).startWorker();
          log.info("Sending queued mail as process {pid}", { pid: process.pid });
          const signal = await Promise.race([stopping, working]);
          log.info("Stopping on {signal}", { signal });
          // Closing the instance waits for deliveries in flight.
          setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
        },
        { logs: true },
      );
    });
}
