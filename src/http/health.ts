import * as v from "valibot";
import { SealpostError } from "../errors.ts";
import { route } from "../wire/route.ts";

const tag = { name: "Health", description: "Probes for load balancers" };

/** For load balancers: whether the process is alive, and whether it can serve requests. */
export function healthRoutes(deps: {
  /** Rejects if the database is unavailable or the keys do not decrypt it. */
  readonly checkReady: () => Promise<void>;
  readonly admins: { list(): Promise<readonly unknown[]> };
  readonly needsAdmin?: boolean;
}) {
  const { checkReady, admins, needsAdmin = false } = deps;
  return [
    route(
      {
        method: "GET",
        path: "/healthz",
        open: true,
        response: v.literal("alive"),
        summary: "Check that the process is alive",
        operationId: "healthz",
        tag,
        isQuiet: true,
      },
      () => "alive" as const,
    ),
    route(
      {
        method: "GET",
        path: "/readyz",
        open: true,
        response: v.literal("ready"),
        summary: "Check that the instance is ready",
        description: "Ready means that the database is available and the keys decrypt it.",
        operationId: "readyz",
        tag,
        isQuiet: true,
      },
      async () => {
        await checkReady();
        if (!needsAdmin || (await admins.list()).length > 0) return "ready" as const;
        throw new SealpostError(
          "database_unavailable",
          "There is no admin yet who could log in: try again in a moment",
        );
      },
    ),
  ];
}
