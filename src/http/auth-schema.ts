import * as v from "valibot";
import type { Principal } from "../domain/admin.ts";
import { described, named } from "../wire/schemas.ts";

/** Clients of privacyIDEA read it: 30 is its level "warning". */
const LOG_LEVEL = 30;

const name = (maxCharacters: number) =>
  v.optional(
    v.pipe(
      v.string("expected a text"),
      v.maxLength(maxCharacters, `expected at most ${maxCharacters} characters`),
    ),
    "",
  );
/** Parameters of `POST /auth`. */
export const logInParams = v.object({
  username: name(511),
  password: v.optional(v.string("expected a text"), ""),
  realm: name(255),
});

/** A session as `POST /auth` shows it. */
export const sessionView = named(
  "Session",
  v.object({
    token: v.string(),
    role: v.literal("admin"),
    username: v.string(),
    realm: v.string(),
    rights: v.array(v.string()),
    auth: v.literal(true),
    log_level: v.number(),
    menus: v.array(v.string()),
  }),
);

const keyView = v.object({
  id: described(v.string(), "UUID"),
  name: v.string(),
  servers: described(v.array(v.string()), "Definitions to which the key is limited. Empty for all"),
  expires_at: described(v.nullable(v.string()), "RFC 3339. `null` if the key does not expire"),
});

/** The caller as `GET /auth` shows them. */
export const callerView = named(
  "Caller",
  v.object({
    username: described(v.string(), "The admin, who created the API key if one was used"),
    realm: described(v.string(), "Empty for local admins"),
    role: v.literal("admin"),
    rights: described(
      v.array(v.string()),
      "Allowed by the current policies, and by the API key if one was used",
    ),
    apikey: described(v.nullable(keyView), "`null` if the admin logged in"),
  }),
);

export const EXAMPLE = {
  body: { username: "admin", password: "correct horse" },
  value: toSessionView({
    token: "eyJhbGciOiJIUzI1NiJ9.…",
    principal: { username: "admin", realm: "" },
    rights: ["smtpserver_read", "smtpserver_write"],
  }),
};

export function toSessionView({
  token,
  principal: { username, realm },
  rights,
}: {
  readonly token: string;
  readonly principal: Pick<Principal, "username" | "realm">;
  readonly rights: readonly string[];
}): v.InferOutput<typeof sessionView> {
  return {
    token,
    role: "admin",
    username,
    realm,
    rights: [...rights],
    auth: true,
    log_level: LOG_LEVEL,
    menus: [],
  };
}

/** Returns the caller as `GET /auth` shows them. @param rights those that the current policies allow */
export function toCallerView(
  { username, realm, apiKey }: Pick<Principal, "username" | "realm" | "apiKey">,
  rights: readonly string[],
): v.InferOutput<typeof callerView> {
  const apikey = apiKey && {
    id: apiKey.id,
    name: apiKey.name,
    servers: [...apiKey.servers],
    expires_at: apiKey.expiresAt?.toISOString() ?? null,
  };
  return { username, realm, role: "admin", rights: [...rights], apikey };
}
