import type { Context, MiddlewareHandler } from "hono";
import type { Env } from "../env.ts";

/** How a right is checked. */
export interface RightOptions {
  /**
   * For a route whose first step is a read: the right is checked against the admins and policies that this process has in
   * memory, and that read proves that they are current.
   */
  readonly isProvedByRead?: boolean;
}

/** Authorizes requests. */
export interface PluginGuard {
  /** Creates the middleware that lets an admin with this right pass; `c.get("principal")` is the admin then. */
  requireRight(right: string, options?: RightOptions): MiddlewareHandler<Env>;
  /** Whether the request comes from an admin with this right. For open routes that show admins more detail. Never throws. */
  isAllowed(c: Context<Env>, right: string, options?: RightOptions): Promise<boolean>;
}
