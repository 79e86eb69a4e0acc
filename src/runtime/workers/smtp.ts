import { createConnectByName } from "../../transport/connect-by-name.ts";
import { PLATFORM as platform } from "../platform.ts";
import { createObjectTransport } from "./object-transport.ts";
import { createScopedTransport, type WorkerTransport } from "./transport.ts";

/** The default transport of a Worker. The build may replace this file with `worker-mailer.ts`. */
export const TRANSPORT: WorkerTransport = {
  name: "smtp",
  create({ ehloName, egress, ports, apis, isObject }) {
    const create = isObject ? createObjectTransport : createScopedTransport;
    const connect = createConnectByName({ egress, ports });
    return create({ connect, ehloName, now: platform.now }, apis);
  },
};
