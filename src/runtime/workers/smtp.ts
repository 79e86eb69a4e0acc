import { createConnectByName } from "../../transport/connect-by-name.ts";
import { PLATFORM as platform } from "../platform.ts";
import { createObjectTransport } from "./object-transport.ts";
import { createScopedTransport, type WorkerTransport } from "./transport.ts";

/** The default transport of a Worker. The build may replace this file with `worker-mailer.ts`. */
export const TRANSPORT: WorkerTransport = {
  name: "smtp",
  create({ ehloName, egress, ports, apis, isObject, objects }) {
    const options = { connect: createConnectByName({ egress, ports }), ehloName, now: platform.now };
    return isObject ? createObjectTransport(options, apis) : createScopedTransport(options, apis, objects);
  },
};
