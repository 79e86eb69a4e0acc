import { createConnectByName } from "../../transport/connect-by-name.ts";
import { createWorkerMailerTransport } from "../../transport/worker-mailer/index.ts";
import { PLATFORM } from "../platform.ts";
import { scopeTransport, type WorkerTransport } from "./transport.ts";

/** Replaces `smtp.ts` in a Worker that is built with worker-mailer. */
export const TRANSPORT: WorkerTransport = {
  name: "worker-mailer",
  create({ ehloName, egress, ports, apis }) {
    const connect = createConnectByName({ egress, ports });
    const options = { connect, ehloName, now: PLATFORM.now, hidesTlsErrors: true };
    return scopeTransport("worker-mailer", apis, (bounds) =>
      createWorkerMailerTransport({ ...options, ...bounds }),
    );
  },
};
