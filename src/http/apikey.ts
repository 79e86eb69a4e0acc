import * as v from "valibot";
import type { ApiKeys, ListedApiKey } from "../access/api-keys.ts";
import type { Right } from "../domain/policy.ts";
import { route, tagged } from "../wire/route.ts";
import { apiKeyIdParams, apiKeyParams, apiKeyView, createdApiKeyView, EXAMPLE } from "./apikey-schema.ts";

const TAG = { name: "API keys", description: "Keys by which programs act for an admin" };
const COLLECTION = "/apikey/";

/** API keys. @param deps.rights every right that exists */
export function apiKeyRoutes({
  apiKeys,
  rights,
}: {
  readonly apiKeys: Pick<ApiKeys, "list" | "create" | "remove">;
  readonly rights: readonly Right[];
}) {
  return tagged(TAG, [
    route(
      {
        method: "GET",
        path: COLLECTION,
        right: "apikey_read",
        isProvedByRead: true,
        response: v.array(apiKeyView),
        summary: "List API keys",
        description: "Of all admins. The keys themselves are never shown again.",
      },
      async () => (await apiKeys.list()).map(toView),
    ),
    route(
      {
        method: "POST",
        path: COLLECTION,
        right: "apikey_write",
        parameters: { body: apiKeyParams(rights) },
        response: createdApiKeyView,
        summary: "Create an API key",
        description:
          "`key` is shown this once: only its hash is stored. Send it as `Authorization: Bearer` or `X-API-Key`.",
        example: EXAMPLE,
      },
      async (c, { body: { expires_at: expiresAt, ...fields } }) => {
        c.set("auditTarget", { identifier: fields.name, recipient: "" });
        const created = await apiKeys.create({ ...fields, expiresAt }, c.get("principal"), c.get("actor"));
        const value = { id: created.id, key: created.key.reveal() };
        return value;
      },
    ),
    route(
      {
        method: "DELETE",
        path: "/apikey/:id",
        right: "apikey_write",
        parameters: { path: apiKeyIdParams },
        response: v.literal(true),
        summary: "Delete an API key",
        description: "The next request with the key is 401, at every server.",
        operationId: "deleteApiKey",
        errors: [404],
      },
      (c, { path: { id } }) => apiKeys.remove(id, c.get("actor")),
    ),
  ]);
}

function toView({ id, name, rights, servers, client, ...key }: ListedApiKey) {
  return {
    id,
    name,
    rights,
    servers,
    client,
    administrator: key.username,
    realm: key.realm,
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
  };
}
