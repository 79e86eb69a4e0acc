import { createNativeConnect, nativeConnect } from "../../transport/native-socket.ts";
import { createWorkerMailerTransport } from "../../transport/worker-mailer.ts";
import { scopeTransport, type WorkerTransport } from "./transport.ts";

/** Takes the place of `smtp.ts` in a Worker that is built for worker-mailer. */
export const TRANSPORT: WorkerTransport = {
  name: "worker-mailer",
  make: ({ ehloName, egress, ports }) =>
    scopeTransport("worker-mailer", (bounds) => {
      const connect = createNativeConnect(nativeConnect(), { egress, ports });
      const { pool, totalTimeoutMs, endsMs } = bounds;
      const { connections = 1, maxConnections = connections } = pool;
      return createWorkerMailerTransport({
        ...{ connect, ehloName, endsMs, wholeTimeoutMs: totalTimeoutMs },
        pool: { connections, mostConnections: maxConnections },
      });
    }),
};
