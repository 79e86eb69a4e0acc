import type { Context } from "hono";
import type { Env } from "../env.ts";

/** How a right is checked. */
export interface RightOptions {
  /**
   * For a route whose first step is a read: the right is checked against the admins and policies that this process has in
   * memory, and that read proves that they are current.
   */
  readonly isProvedByRead?: boolean;
}

/** Authorizes requests to open routes; `right` of a route's declaration guards the others. */
export interface PluginGuard {
  /** Whether the request comes from an admin with this right. For open routes that show admins more detail. Never throws. */
  isAllowed(c: Context<Env>, right: string, options?: RightOptions): Promise<boolean>;
}
