import { Hono } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";
import { success } from "../wire/envelope.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";

const tag = "Health";

/** For load balancers: whether the process is alive, and whether it can do its work. */
export function healthRoutes(parts: {
  /** Rejects if the database does not answer or the keys do not open it. */
  readonly checkReady: () => Promise<void>;
  readonly admins: { list(): Promise<readonly unknown[]> };
  readonly needsAdmin?: boolean;
  readonly platform: Pick<Platform, "now">;
}) {
  const { checkReady, admins, needsAdmin = false, platform } = parts;
  return new Hono<Env>()
    .get(
      "/healthz",
      operation({
        summary: "The process is alive",
        operationId: "healthz",
        tag,
        answer: v.literal("alive"),
        open: true,
      }),
      (c) => c.json(success("alive" as const, platform.now())),
    )
    .get(
      "/readyz",
      operation({
        summary: "The database answers and the keys open it",
        operationId: "readyz",
        tag,
        answer: v.literal("ready"),
        open: true,
      }),
      async (c) => {
        await checkReady();
        if (needsAdmin && (await admins.list()).length === 0) throw noAdmin();
        return c.json(success("ready" as const, platform.now()));
      },
    )
    .all("/healthz", allowOnly("GET"))
    .all("/readyz", allowOnly("GET"));
}

function noAdmin(): SealpostError {
  return new SealpostError(
    "database_unavailable",
    "There is no admin yet who could log in: try again in a moment",
  );
}
