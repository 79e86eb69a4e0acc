import { parseCidr } from "./network.ts";
import type { Right } from "./policy.ts";

/** The limits of a key for a program. The rights of its admin limit it as well. */
export interface ApiKeyScope {
  /** At least one. */
  readonly rights: readonly Right[];
  /** Names of the definitions that it may use by `mail_send` and the rights of definitions. Empty for all. */
  readonly servers: readonly string[];
  /** IP addresses and CIDR blocks from which it is accepted. Empty for all. */
  readonly client: readonly string[];
  /** `null` if it does not expire. */
  readonly expiresAt: Date | null;
}

/** A key for a program. The key itself is not kept. */
export interface ApiKey extends ApiKeyScope {
  /** UUID. */
  readonly id: string;
  /** Shown in the audit log. */
  readonly name: string;
  /** The admin who created it, whose rights it uses. */
  readonly adminId: string;
  readonly createdAt: Date;
}

export const API_KEY_PREFIX = "sp_";
/** The form of an API key: the prefix and 256 bits as base64url. A JWT has dots, so no admin token has this form. */
export const API_KEY = /^sp_[\w-]{43}$/;

/** Whether a key includes a right, for a client at this address. @param client `null` if it is unknown */
export function includesRight(
  scope: Pick<ApiKeyScope, "rights" | "client">,
  right: Right,
  client: string | null,
): boolean {
  return scope.rights.includes(right) && acceptsClient(scope, client);
}

/** Whether a key is accepted from an address. An unknown address is in no network. */
export function acceptsClient({ client: blocks }: Pick<ApiKeyScope, "client">, client: string | null) {
  if (blocks.length === 0) return true;
  return client !== null && blocks.some((block) => parseCidr(block)?.contains(client) ?? false);
}

/** Whether a key grants nothing that another one does not grant. */
export function isWithinScope(inner: ApiKeyScope, outer: ApiKeyScope): boolean {
  return (
    inner.rights.every((right) => outer.rights.includes(right)) &&
    isNarrower(inner.servers, outer.servers) &&
    isNarrower(inner.client, outer.client) &&
    (outer.expiresAt === null || (inner.expiresAt !== null && inner.expiresAt <= outer.expiresAt))
  );
}

/** Whether a list restricts at least as much as another, where an empty one restricts nothing. */
function isNarrower(inner: readonly string[], outer: readonly string[]): boolean {
  return outer.length === 0 || (inner.length > 0 && inner.every((entry) => outer.includes(entry)));
}
