import * as v from "valibot";
import { SealpostError } from "../errors.ts";
import { route, tagged } from "../wire/route.ts";

const TAG = { name: "Health", description: "Probes for load balancers" };
const PROBE = { method: "GET", open: true, isQuiet: true } as const;

/** For load balancers: whether the process is alive, and whether it can serve requests. */
export function healthRoutes(deps: {
  /** Rejects if the database is unavailable or the keys do not decrypt it. */
  readonly checkReady: () => Promise<void>;
  readonly admins: { list(): Promise<readonly unknown[]> };
  readonly needsAdmin?: boolean;
}) {
  const { checkReady, admins, needsAdmin = false } = deps;
  return tagged(TAG, [
    route(
      {
        ...PROBE,
        path: "/healthz",
        response: v.literal("alive"),
        summary: "Check that the process is alive",
        operationId: "healthz",
      },
      () => "alive" as const,
    ),
    route(
      {
        ...PROBE,
        path: "/readyz",
        response: v.literal("ready"),
        summary: "Check that the instance is ready",
        description: "Ready means that the database is available and the keys decrypt it.",
        operationId: "readyz",
      },
      async () => {
        await checkReady();
        if (!needsAdmin || (await admins.list()).length > 0) return "ready" as const;
        // `busy`, because it is no failure: probes during the first start would fill the log with errors.
        throw new SealpostError("busy", "There is no admin yet who could log in: try again in a moment", {
          retryAfterSeconds: 1,
        });
      },
    ),
  ]);
}
