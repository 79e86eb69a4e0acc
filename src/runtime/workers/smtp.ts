import { createConnectByName } from "../../transport/connect-by-name.ts";
import { PLATFORM as platform } from "../platform.ts";
import { createScopedTransport, type WorkerTransport } from "./transport.ts";

/** The transport of a Worker, unless it is built for another. */
export const TRANSPORT: WorkerTransport = {
  name: "smtp",
  make: ({ ehloName, egress, ports }) =>
    createScopedTransport({
      connect: createConnectByName({ egress, ports }),
      ehloName,
      now: platform.now,
    }),
};
